// Models served in a cluster: finding them, their state, and their removal.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "kube/client.hpp"
#include "plugin/pod_progress.hpp"
#include "plugin/progress.hpp"

namespace gpuinfer::plugin {

/// The name of the Service's port that reaches the server.
inline constexpr char kServicePort[] = "http";

/// What is known about one deployment now.
struct ClusterStatus {
  std::string name;
  std::string namespace_name;
  std::string model;
  std::string image;
  int replicas = 0;        ///< asked for
  int ready_replicas = 0;  ///< of the newest version of the pod template
  bool complete = false;   ///< every replica is ready and of the newest version
  std::string created;     ///< RFC 3339
  std::string node;        ///< of the newest pod; may be empty
  PodProgress progress;    ///< of the newest pod
};

/// The deployment's Deployment object, if it exists and is ours. Throws Error where an object of that name belongs to
/// someone else.
std::optional<Json> find_deployment(kube::Client& client, const std::string& name);

/// All of ours in the client's namespace.
std::vector<Json> list_deployments(kube::Client& client);

/// Throws Error where there is no such deployment, with the names that there are.
Json require_deployment(kube::Client& client, const std::string& name);

/// Looks at the pods and their events too.
ClusterStatus status_of(kube::Client& client, const Json& deployment);

/// Throws Error where there is no such deployment, or none of its pods is ready, with what holds them up.
void require_ready(kube::Client& client, const std::string& name);

/// Names of the deployment's pods, the newest first.
std::vector<std::string> pod_names(kube::Client& client, const std::string& name);

/// Returns once every replica is ready, showing each phase and what holds it up. Throws Error where the server keeps
/// ending or `timeout` passes.
void wait_until_ready(kube::Client& client, const std::string& name, std::chrono::seconds timeout, Progress& progress);

/// Deletes all objects of the deployment and waits until they and the pods are gone. Returns their names
/// ("Deployment/smollm2-135m"), empty where there was nothing. Throws Error after `timeout`.
std::vector<std::string> delete_deployment(kube::Client& client, const std::string& name, std::chrono::seconds timeout,
                                           Progress& progress);

}  // namespace gpuinfer::plugin
