// Installs and uninstalls the webhook.
#include "plugin/webhook_installation.hpp"

#include <algorithm>
#include <iterator>
#include <thread>

#include "base/base64.hpp"
#include "base/error.hpp"
#include "kube/certificate.hpp"
#include "kube/json_field.hpp"
#include "kube/resource.hpp"
#include "plugin/pod_progress.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(500);
/// Within this time every API server has noticed that the configuration is gone, and calls no more.
constexpr auto kNoticed = std::chrono::seconds(2);

/// What holds up the webhook's own pods, or "".
std::string webhook_problem(kube::Client& client) {
  const std::string pods = kube::resource_path("v1", "Pod", manifests::kWebhookNamespace);
  const std::string selector = "app.kubernetes.io/name=" + std::string(manifests::kWebhookName);
  for (const Json& pod : client.list(pods, {.labels = selector, .fields = ""}).at("items")) {
    const std::string fields =
        "involvedObject.kind=Pod,involvedObject.name=" + pod.at("metadata").at("name").get<std::string>();
    const std::vector<Json> events =
        client.list(kube::resource_path("v1", "Event", manifests::kWebhookNamespace), {.labels = "", .fields = fields})
            .at("items");
    const PodProgress progress = pod_progress(pod, events);
    if (!progress.problem.empty()) return progress.problem;
  }
  return "";
}

bool is_rolled_out(const Json& deployment) {
  const Json status = deployment.value("status", Json::object());
  const int replicas = deployment.value("/spec/replicas"_json_pointer, 1);
  return status.value("observedGeneration", 0) >= deployment.at("metadata").value("generation", 0) &&
         status.value("updatedReplicas", 0) == replicas && status.value("availableReplicas", 0) == replicas &&
         status.value("replicas", 0) == replicas;
}

void wait_until_rolled_out(kube::Client& client, const std::string& path, std::chrono::seconds timeout,
                           Progress& progress) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!is_rolled_out(client.get(path))) {
    const std::string problem = webhook_problem(client);
    if (!problem.empty()) progress.note(problem);
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error("the webhook's pods are not ready after " + std::to_string(timeout.count()) + " s" +
                      (problem.empty() ? "" : ": " + problem),
                  "'kubectl get pods -n " + std::string(manifests::kWebhookNamespace) +
                      "' shows them. Pods are not sent to the webhook yet; run 'kubectl gpuinfer install' again once "
                      "the cause is gone");
    }
    progress.update("waiting for the webhook's pods");
    std::this_thread::sleep_for(kPollInterval);
  }
}

/// A pod that asks for injection and that every Pod Security level admits.
Json probe_pod(const std::string& namespace_name) {
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata",
           {{"name", "gpuinfer-install-probe"},
            {"namespace", namespace_name},
            {"annotations", {{"gpuinfer.dev/inject", "true"}}}}},
          {"spec",
           {{"securityContext",
             {{"runAsNonRoot", true}, {"runAsUser", 65532}, {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
            {"containers",
             {{{"name", "probe"},
               {"image", "registry.k8s.io/pause:3.10"},
               {"securityContext", {{"allowPrivilegeEscalation", false}, {"capabilities", {{"drop", {"ALL"}}}}}},
               {"resources",
                {{"requests", {{"cpu", "1m"}, {"memory", "1Mi"}}},
                 {"limits", {{"cpu", "1m"}, {"memory", "1Mi"}, {"nvidia.com/gpu", "1"}}}}}}}}}}};
}

bool is_injected(const Json& pod) {
  return pod.value("/metadata/annotations"_json_pointer, Json::object()).contains("gpuinfer.dev/injected");
}

std::vector<Json> apply_all(kube::Client& client, const std::vector<Json>& objects, const kube::WriteOptions& options,
                            Progress& progress) {
  std::vector<Json> applied;
  for (const Json& object : objects) {
    const kube::Applied result = client.apply(object, options);
    progress.done(kube::object_name(object) + (result.created ? " created" : " configured") +
                  (options.dry_run ? " (dry run)" : ""));
    applied.push_back(result.object);
  }
  return applied;
}

/// Our own objects: fields that someone changed by hand (kubectl edit, kubectl scale) become ours again.
const kube::WriteOptions kApply = {.dry_run = false, .force = true};

std::string secret_path(const std::string& name) {
  return kube::resource_path("v1", "Secret", manifests::kWebhookNamespace, name);
}

/// The webhook fills this Secret in; where it exists already, it is left as it is.
void create_secret(kube::Client& client, Progress& progress) {
  const Json secret = manifests::webhook_secret();
  if (client.find(client.path_of(secret))) return;
  client.create(secret);
  progress.done(kube::object_name(secret) + " created");
}

/// A first configuration is created with the authority that the webhook's pods have made meanwhile, so that it is never
/// there without one. The field belongs to the webhook from the start.
void create_configuration(kube::Client& client, Json configuration) {
  if (client.find(client.path_of(configuration))) return;
  const Json secret = client.get(secret_path(manifests::kWebhookSecret));
  const std::string authority = kube::text_at(secret, "/data/ca.crt");
  if (authority.empty()) return;
  for (Json& webhook : configuration["webhooks"]) webhook["clientConfig"]["caBundle"] = authority;
  client.create(configuration, {.field_manager = manifests::kWebhookName});
}

void wait_until_gone(kube::Client& client, const Json& object, std::chrono::steady_clock::time_point deadline,
                     Progress& progress) {
  while (client.find(client.path_of(object))) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(kube::object_name(object) + " is still there although it was deleted",
                  "'kubectl describe' says what holds it; run 'kubectl gpuinfer uninstall' again after that");
    }
    progress.update("waiting until " + kube::object_name(object) + " is gone");
    std::this_thread::sleep_for(kPollInterval);
  }
}

/// False where the object does not exist, or the cluster does not even know its kind.
bool remove(kube::Client& client, const Json& object) {
  try {
    return client.remove(client.path_of(object));
  } catch (const kube::UnknownKind&) {
    return false;
  }
}

}  // namespace

void read_user_certificate(manifests::WebhookInstall& install, kube::Client& client) {
  const std::string name = std::string(manifests::kWebhookNamespace) + "/" + install.secret;
  const std::optional<Json> secret = client.find(secret_path(install.secret));
  if (!secret) {
    throw Error("there is no Secret " + name, "make it with the keys tls.crt, tls.key and ca.crt, for the name " +
                                                  std::string(manifests::kWebhookDnsName) +
                                                  "; the namespace may have to be made first");
  }
  const auto entry = [&](const std::string& key) {
    const std::string text = base64_decode(kube::text_at(*secret, "/data/" + key)).value_or("");
    if (text.empty()) throw Error("the Secret " + name + " has no " + key, "it needs tls.crt, tls.key and ca.crt");
    return text;
  };
  const kube::KeyedCertificate pair = {entry("tls.crt"), entry("tls.key")};
  install.ca_bundle = entry("ca.crt");
  if (!kube::is_pair(pair)) {
    throw Error("tls.crt and tls.key of the Secret " + name + " do not belong together", "replace both");
  }
  if (!kube::is_trusted(pair.certificate, install.ca_bundle, manifests::kWebhookDnsName)) {
    throw Error(
        "an API server that trusts ca.crt of the Secret " + name + " would refuse its tls.crt",
        "it has to be valid now, signed by ca.crt, and for the DNS name " + std::string(manifests::kWebhookDnsName));
  }
}

std::vector<Json> install_webhook(kube::Client& client, const manifests::WebhookInstall& install, bool wait,
                                  std::chrono::seconds timeout, Progress& progress) {
  const bool self = install.certificates == manifests::Certificates::kSelf;
  std::vector<Json> objects = manifests::webhook_objects(install);
  const Json configuration = objects.back();
  objects.pop_back();
  std::vector<Json> applied = apply_all(client, {objects.front()}, kApply, progress);  // the namespace
  objects.erase(objects.begin());
  if (self) create_secret(client, progress);
  std::ranges::move(apply_all(client, objects, kApply, progress), std::back_inserter(applied));
  if (wait) {
    const std::string path =
        kube::resource_path("apps/v1", "Deployment", manifests::kWebhookNamespace, manifests::kWebhookName);
    wait_until_rolled_out(client, path, timeout, progress);
    progress.done("webhook pods ready");
  }
  if (self) create_configuration(client, configuration);
  applied.push_back(apply_all(client, {configuration}, kApply, progress).front());
  return applied;
}

std::vector<Json> check_webhook_installation(kube::Client& client, const manifests::WebhookInstall& install,
                                             Progress& progress) {
  std::vector<Json> objects = manifests::webhook_objects(install);
  const bool namespace_exists =
      client.find(kube::resource_path("v1", "Namespace", "", manifests::kWebhookNamespace)).has_value();
  // A dry run does not make the namespace, and without it the API server refuses what would go into it.
  if (!namespace_exists) {
    std::erase_if(objects, [](const Json& object) { return object.at("metadata").contains("namespace"); });
    progress.note("the namespace " + std::string(manifests::kWebhookNamespace) +
                  " does not exist yet: its objects were not checked");
  }
  return apply_all(client, objects, {.dry_run = true, .force = true}, progress);
}

std::string injection_problem(kube::Client& client) {
  try {
    const Json pod = client.create(probe_pod(client.namespace_name()), {.dry_run = true});
    return is_injected(pod) ? "" : "pods come back unchanged";
  } catch (const kube::ApiError& error) {
    return error.what();
  }
}

void wait_until_injecting(kube::Client& client, std::chrono::seconds timeout, Progress& progress) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (std::string problem; !(problem = injection_problem(client)).empty();) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error("the webhook is installed but does not answer: " + problem,
                  "can the API server reach the webhook's pods on port 8443 (security groups, network policies)? "
                  "'kubectl logs -n " +
                      std::string(manifests::kWebhookNamespace) + " deployment/" + manifests::kWebhookName +
                      "' shows what arrives");
    }
    progress.update("waiting until the webhook answers");
    std::this_thread::sleep_for(kPollInterval);
  }
}

std::vector<std::string> uninstall_webhook(kube::Client& client, std::chrono::seconds timeout, Progress& progress) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const std::vector<Json> objects = manifests::all_webhook_objects();
  std::vector<Json> removed;
  for (const Json& object : objects) {
    if (!remove(client, object)) continue;
    removed.push_back(object);
    if (object.at("kind") != "MutatingWebhookConfiguration") continue;
    wait_until_gone(client, object, deadline, progress);
    std::this_thread::sleep_for(kNoticed);
  }
  std::vector<std::string> names;
  for (const Json& object : removed) {
    wait_until_gone(client, object, deadline, progress);
    names.push_back(kube::object_name(object));
  }
  return names;
}

}  // namespace gpuinfer::plugin
