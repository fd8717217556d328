// Asks the API server about our Deployments and their pods.
#include "plugin/cluster_deployment.hpp"

#include <algorithm>
#include <thread>

#include "base/error.hpp"
#include "kube/resource.hpp"
#include "manifests/model.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(500);
constexpr const char* kModelAnnotation = "gpuinfer.dev/model";
constexpr const char* kManagedByLabel = "app.kubernetes.io/managed-by";

/// A kind of which each deployment has one, in the order in which they are deleted.
struct OwnedKind {
  const char* api_version;
  const char* kind;
};
constexpr OwnedKind kOwnedKinds[] = {{"apps/v1", "Deployment"}, {"v1", "Service"}, {"v1", "ServiceAccount"}};

std::string path_of(const kube::Client& client, const OwnedKind& kind, const std::string& name) {
  return kube::resource_path(kind.api_version, kind.kind, client.namespace_name(), name);
}

/// The string at metadata.`map`.`key`, or "".
std::string metadata_text(const Json& object, const char* map, const char* key) {
  const Json values = object.at("metadata").value(map, Json::object());
  return values.value(key, "");
}

/// The object, if it exists and is ours.
std::optional<Json> find_owned(kube::Client& client, const OwnedKind& kind, const std::string& name) {
  auto object = client.find(path_of(client, kind, name));
  if (object && metadata_text(*object, "labels", kManagedByLabel) != kube::kFieldManager) {
    throw Error(
        kube::object_name(*object) + " in namespace " + client.namespace_name() + " was not made by kubectl gpuinfer",
        "choose another name with --name, or another namespace with -n");
  }
  return object;
}

/// The deployment's pods that are not on their way out, the newest first.
std::vector<Json> pods_of(kube::Client& client, const std::string& name) {
  const Json list = client.list(kube::resource_path("v1", "Pod", client.namespace_name()),
                                {.labels = manifests::model_selector(name), .fields = ""});
  std::vector<Json> pods;
  for (const Json& pod : list.at("items")) {
    if (!pod.at("metadata").contains("deletionTimestamp")) pods.push_back(pod);
  }
  std::sort(pods.begin(), pods.end(), [](const Json& a, const Json& b) {
    return a.at("metadata").value("creationTimestamp", "") > b.at("metadata").value("creationTimestamp", "");
  });
  return pods;
}

std::vector<Json> events_of(kube::Client& client, const Json& pod) {
  const std::string fields =
      "involvedObject.kind=Pod,involvedObject.name=" + pod.at("metadata").at("name").get<std::string>();
  return client.list(kube::resource_path("v1", "Event", client.namespace_name()), {.labels = "", .fields = fields})
      .at("items");
}

/// Why the Deployment cannot even make pods (a quota, a webhook that refuses), or "".
std::string replica_failure(const Json& deployment) {
  for (const Json& condition : deployment.value("/status/conditions"_json_pointer, Json::array())) {
    if (condition.value("type", "") == "ReplicaFailure" && condition.value("status", "") == "True")
      return condition.value("message", "");
  }
  return "";
}

/// "waiting for a node: 0/1 nodes are available: …".
std::string describe(const PodProgress& progress) {
  return to_string(progress.phase) + (progress.problem.empty() ? "" : ": " + progress.problem);
}

void report(const PodProgress& now, PodPhase& shown, Progress& progress) {
  for (; shown < now.phase; shown = static_cast<PodPhase>(static_cast<int>(shown) + 1)) {
    if (shown == PodPhase::kPending) progress.done("node found");
    if (shown == PodPhase::kPulling) progress.done("image on the node, server started");
  }
  progress.update(to_string(now.phase));
  if (!now.problem.empty()) progress.note(now.problem + (now.advice.empty() ? "" : "\n  " + now.advice));
}

}  // namespace

std::optional<Json> find_deployment(kube::Client& client, const std::string& name) {
  return find_owned(client, kOwnedKinds[0], name);
}

std::vector<Json> list_deployments(kube::Client& client) {
  return client
      .list(kube::resource_path("apps/v1", "Deployment", client.namespace_name()),
            {.labels = manifests::model_selector(), .fields = ""})
      .at("items");
}

Json require_deployment(kube::Client& client, const std::string& name) {
  if (auto deployment = find_deployment(client, name)) return *deployment;
  std::string names;
  for (const Json& deployment : list_deployments(client)) {
    names += (names.empty() ? "" : ", ") + deployment.at("metadata").at("name").get<std::string>();
  }
  throw Error("no model is deployed as '" + name + "' in namespace " + client.namespace_name(),
              names.empty() ? "'kubectl gpuinfer deploy MODEL' deploys one; -n looks in another namespace"
                            : "deployed here: " + names);
}

ClusterStatus status_of(kube::Client& client, const Json& deployment) {
  const Json& metadata = deployment.at("metadata");
  ClusterStatus status;
  status.name = metadata.at("name");
  status.namespace_name = metadata.at("namespace");
  status.model = metadata_text(deployment, "annotations", kModelAnnotation);
  status.image = deployment.at("/spec/template/spec/containers/0/image"_json_pointer);
  status.created = metadata.value("creationTimestamp", "");
  status.replicas = deployment.value("/spec/replicas"_json_pointer, 1);
  const Json counts = deployment.value("status", Json::object());
  const bool observed = counts.value("observedGeneration", 0) >= metadata.value("generation", 0);
  const int updated = observed ? counts.value("updatedReplicas", 0) : 0;
  status.ready_replicas = std::min(updated, counts.value("readyReplicas", 0));
  status.complete = observed && updated == status.replicas && counts.value("replicas", 0) == updated &&
                    counts.value("availableReplicas", 0) == status.replicas;

  const std::vector<Json> pods = pods_of(client, status.name);
  if (pods.empty()) {
    status.progress.problem = replica_failure(deployment);
  } else {
    status.node = pods.front().value("/spec/nodeName"_json_pointer, "");
    status.progress = pod_progress(pods.front(), events_of(client, pods.front()));
  }
  return status;
}

void require_ready(kube::Client& client, const std::string& name) {
  const ClusterStatus status = status_of(client, require_deployment(client, name));
  if (status.ready_replicas > 0) return;
  throw Error(name + " is not ready: " + describe(status.progress),
              status.progress.advice.empty() ? "'kubectl gpuinfer status " + name + " -w' shows when it is"
                                             : status.progress.advice);
}

std::vector<std::string> pod_names(kube::Client& client, const std::string& name) {
  std::vector<std::string> names;
  for (const Json& pod : pods_of(client, name)) names.push_back(pod.at("metadata").at("name"));
  return names;
}

void wait_until_ready(kube::Client& client, const std::string& name, std::chrono::seconds timeout, Progress& progress) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  PodPhase shown = PodPhase::kPending;
  while (true) {
    const ClusterStatus status = status_of(client, require_deployment(client, name));
    if (status.complete) {
      progress.done("ready");
      return;
    }
    report(status.progress, shown, progress);
    if (status.progress.failing) {
      throw Error(status.progress.problem, "'kubectl gpuinfer logs " + name + "' shows why; it was left in place");
    }
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(name + " is not ready after " + std::to_string(timeout.count()) + " s; " + describe(status.progress),
                  status.progress.advice.empty()
                      ? "'kubectl gpuinfer status " + name + " -w' goes on watching; it was left in place"
                      : status.progress.advice);
    }
    std::this_thread::sleep_for(kPollInterval);
  }
}

std::vector<std::string> delete_deployment(kube::Client& client, const std::string& name, std::chrono::seconds timeout,
                                           Progress& progress) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  // All are looked at before one is deleted: where one belongs to someone else, nothing is touched.
  std::vector<Json> found;
  for (const OwnedKind& kind : kOwnedKinds) {
    if (auto object = find_owned(client, kind, name)) found.push_back(std::move(*object));
  }
  std::vector<std::string> removed;
  for (const Json& object : found) {
    client.remove(client.path_of(object));
    removed.push_back(kube::object_name(object));
  }
  const auto anything_left = [&] {
    const std::string pods = kube::resource_path("v1", "Pod", client.namespace_name());
    if (!client.list(pods, {.labels = manifests::model_selector(name), .fields = ""}).at("items").empty()) return true;
    return std::any_of(std::begin(kOwnedKinds), std::end(kOwnedKinds),
                       [&](const OwnedKind& kind) { return client.find(path_of(client, kind, name)).has_value(); });
  };
  while (!removed.empty() && anything_left()) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error("the pods of " + name + " are still there after " + std::to_string(timeout.count()) + " s",
                  "'kubectl get pods -n " + client.namespace_name() + "' shows them; the rest was deleted");
    }
    progress.update("waiting until the pods are gone");
    std::this_thread::sleep_for(kPollInterval);
  }
  return removed;
}

}  // namespace gpuinfer::plugin
