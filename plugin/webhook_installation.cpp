// Installs and uninstalls the webhook.
#include "plugin/webhook_installation.hpp"

#include <algorithm>
#include <thread>

#include "base/base64.hpp"
#include "base/error.hpp"
#include "kube/certificate.hpp"
#include "kube/resource.hpp"
#include "plugin/pod_progress.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(500);
constexpr auto kRenewBefore = std::chrono::hours(30 * 24);

/// One decoded entry of a Secret, or "".
std::string secret_entry(const Json& secret, const std::string& key) {
  if (!secret.is_object()) return "";
  const Json data = secret.value("data", Json::object());
  return base64_decode(data.value(key, "")).value_or("");
}

bool good_for_a_month(const std::string& certificate, const std::string& authorities) {
  try {
    return kube::is_trusted(certificate, authorities, manifests::kWebhookDnsName,
                            std::chrono::system_clock::now() + kRenewBefore);
  } catch (const Error&) {
    return false;  // no certificate at all, or one that someone damaged
  }
}

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
constexpr kube::WriteOptions kApply = {.dry_run = false, .force = true};

}  // namespace

bool fill_in_certificates(manifests::WebhookInstall& install, const Json& secret) {
  install.authorities = secret_entry(secret, "ca.crt");
  install.certificate = secret_entry(secret, "tls.crt");
  install.key = secret_entry(secret, "tls.key");
  if (!install.key.empty() && good_for_a_month(install.certificate, install.authorities)) return false;
  const kube::KeyedCertificate authority = kube::make_authority(std::string(manifests::kWebhookName) + " authority");
  const std::string short_name = std::string(manifests::kWebhookName) + "." + manifests::kWebhookNamespace;
  const kube::KeyedCertificate server =
      kube::make_server_certificate(authority, {manifests::kWebhookDnsName, short_name});
  install.authorities = kube::merge_authorities(authority.certificate, install.authorities);
  install.certificate = server.certificate;
  install.key = server.key;
  return true;
}

std::vector<Json> install_webhook(kube::Client& client, const manifests::WebhookInstall& install, bool wait,
                                  std::chrono::seconds timeout, Progress& progress) {
  std::vector<Json> objects = manifests::webhook_objects(install);
  const Json configuration = objects.back();
  objects.pop_back();
  std::vector<Json> applied = apply_all(client, objects, kApply, progress);
  if (wait) {
    const std::string path =
        kube::resource_path("apps/v1", "Deployment", manifests::kWebhookNamespace, manifests::kWebhookName);
    wait_until_rolled_out(client, path, timeout, progress);
    progress.done("webhook pods ready");
  }
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

void wait_until_injecting(kube::Client& client, std::chrono::seconds timeout, Progress& progress) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    std::string problem = "pods come back unchanged";
    try {
      if (is_injected(client.create(probe_pod(client.namespace_name()), {.dry_run = true}))) return;
    } catch (const kube::ApiError& error) {
      problem = error.what();
    }
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
  std::vector<Json> objects = manifests::webhook_objects({});
  std::reverse(objects.begin(), objects.end());
  std::vector<std::string> removed;
  for (const Json& object : objects) {
    if (client.remove(client.path_of(object))) removed.push_back(kube::object_name(object));
  }
  for (const Json& object : objects) {
    while (client.find(client.path_of(object))) {
      if (std::chrono::steady_clock::now() > deadline) {
        throw Error(kube::object_name(object) + " is still there after " + std::to_string(timeout.count()) + " s",
                    "'kubectl describe' says what holds it; the rest was deleted");
      }
      progress.update("waiting until " + kube::object_name(object) + " is gone");
      std::this_thread::sleep_for(kPollInterval);
    }
  }
  return removed;
}

}  // namespace gpuinfer::plugin
