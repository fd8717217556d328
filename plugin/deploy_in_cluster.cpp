// Checks, applies, waits.
#include "plugin/deploy_in_cluster.hpp"

#include <iostream>

#include "base/error.hpp"
#include "kube/resource.hpp"
#include "manifests/webhook.hpp"
#include "plugin/cluster_connection.hpp"
#include "plugin/cluster_deployment.hpp"
#include "plugin/injected_pod.hpp"
#include "plugin/output.hpp"
#include "plugin/policy_documents.hpp"
#include "plugin/progress.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr int kForbidden = 403;

/// client.find(), except that an object that the user may not read counts as there: the check is a courtesy, not a
/// gate.
std::optional<Json> find_if_allowed(kube::Client& client, const std::string& path) {
  try {
    return client.find(path);
  } catch (const kube::ApiError& error) {
    if (error.code() != kForbidden) throw;
    return Json();
  }
}

void check_webhook(kube::Client& client) {
  const std::string configuration = kube::resource_path("admissionregistration.k8s.io/v1",
                                                        "MutatingWebhookConfiguration", "", manifests::kWebhookName);
  if (!find_if_allowed(client, configuration)) {
    throw Error(
        "the gpuinfer webhook is not installed in this cluster, so the pod would get neither the GPU toleration nor "
        "the model's volume",
        "install it once with 'kubectl gpuinfer install'");
  }
  const auto deployment = find_if_allowed(
      client, kube::resource_path("apps/v1", "Deployment", manifests::kWebhookNamespace, manifests::kWebhookName));
  if (deployment && deployment->is_null()) return;
  if (!deployment || deployment->value("/status/readyReplicas"_json_pointer, 0) == 0) {
    throw Error("the gpuinfer webhook is installed, but no pod of it is ready",
                "'kubectl get pods -n " + std::string(manifests::kWebhookNamespace) +
                    "' shows them; 'kubectl gpuinfer install' repairs it");
  }
}

/// The policy documents that the cluster's webhook uses, or the default one where they cannot be read.
policies::PolicySet cluster_policies(kube::Client& client) {
  try {
    if (const auto installed = installed_policies(client)) return installed->policies;
  } catch (const kube::ApiError& error) {
    if (error.code() != kForbidden) throw;
  }
  return policies::default_policies();
}

void check_claims(kube::Client& client, const manifests::ModelDeployment& deployment) {
  const Json pod = injected_pod(deployment, cluster_policies(client));
  for (const Json& volume : pod.value("/spec/volumes"_json_pointer, Json::array())) {
    if (!volume.contains("persistentVolumeClaim")) continue;
    const std::string claim = volume.at("persistentVolumeClaim").at("claimName");
    if (find_if_allowed(client, kube::resource_path("v1", "PersistentVolumeClaim", client.namespace_name(), claim)))
      continue;
    throw Error(
        "the claim '" + claim + "' that should hold the weights does not exist in namespace " + client.namespace_name(),
        "create it with the folder " + deployment.model +
            " on its volume (docs/plugin.md shows how), or name another claim with --storage");
  }
}

std::vector<Json> apply_all(kube::Client& client, const std::vector<Json>& objects, const kube::WriteOptions& options,
                            Progress& progress) {
  std::vector<Json> applied;
  for (const Json& object : objects) {
    progress.update(options.dry_run ? "asking the API server" : "applying", kube::object_name(object));
    const kube::Applied result = client.apply(object, options);
    if (!options.dry_run) progress.done(kube::object_name(object) + (result.created ? " created" : " configured"));
    applied.push_back(result.object);
  }
  return applied;
}

}  // namespace

void check_prerequisites(kube::Client& client, const manifests::ModelDeployment& deployment) {
  check_webhook(client);
  check_claims(client, deployment);
}

void deploy_in_cluster(const Model& model, const ServingOptions& serving, const GlobalOptions& global,
                       const ClusterDeployOptions& options) {
  kube::Client client = connect(global);
  const manifests::ModelDeployment deployment = model_deployment(model, serving, client.namespace_name());
  const std::vector<Json> objects = manifests::model_objects(deployment);
  find_deployment(client, deployment.name);  // throws where the name belongs to someone else
  if (!options.force) check_prerequisites(client, deployment);

  Progress progress;
  // Everything is checked by the API server before anything is stored, so that a missing permission leaves nothing
  // half-done.
  std::vector<Json> applied = apply_all(client, objects, {.dry_run = true, .force = options.force}, progress);
  if (!options.dry_run) applied = apply_all(client, objects, {.dry_run = false, .force = options.force}, progress);
  if (!options.dry_run && options.wait) wait_until_ready(client, deployment.name, options.timeout, progress);
  if (!options.output.empty()) {
    print_objects(std::cout, applied, options.output);
  } else if (options.dry_run) {
    for (const Json& object : applied)
      std::cout << kube::object_name(object) << " is accepted by the API server (dry run)\n";
  } else {
    std::cout << deployment.name << (options.wait ? " is ready" : " is on its way") << " in namespace "
              << client.namespace_name() << "\n"
              << "  talk to it:  kubectl gpuinfer chat " << deployment.name << "\n"
              << "  look at it:  kubectl gpuinfer status " << deployment.name << "\n";
  }
}

}  // namespace gpuinfer::plugin
