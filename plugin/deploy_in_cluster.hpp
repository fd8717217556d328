// `deploy` to a cluster: checks what the pod will need, applies the objects, and watches the pod become ready.
#pragma once

#include <chrono>
#include <string>

#include "kube/client.hpp"
#include "plugin/catalogue.hpp"
#include "plugin/model_manifests.hpp"
#include "plugin/options.hpp"

namespace gpuinfer::plugin {

struct ClusterDeployOptions {
  bool dry_run = false;  ///< the API server checks, nothing is stored
  bool force = false;    ///< skip the checks, take over fields of other managers
  bool wait = true;
  std::chrono::seconds timeout{};
  std::string output;  ///< "yaml" or "json": print the applied objects instead of the next steps
};

/// Throws Error where the webhook is not installed or no pod of it is ready, or a claim that the pod will mount does
/// not exist: the pod would wait for ever. What the user may not look at is not checked.
void check_prerequisites(kube::Client& client, const manifests::ModelDeployment& deployment);

/// Throws Error.
void deploy_in_cluster(const Model& model, const ServingOptions& serving, const GlobalOptions& global,
                       const ClusterDeployOptions& options);

}  // namespace gpuinfer::plugin
