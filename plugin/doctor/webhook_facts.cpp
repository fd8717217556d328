#include "plugin/doctor/webhook_facts.hpp"

#include "kube/json_field.hpp"
#include "kube/resource.hpp"
#include "manifests/webhook.hpp"
#include "plugin/webhook_installation.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr char kConfigurations[] = "MutatingWebhookConfiguration";
constexpr char kAdmission[] = "admissionregistration.k8s.io/v1";

std::vector<Json> items(kube::Client& client, const std::string& path, const kube::Selector& selector = {}) {
  return client.list(path, selector).at("items").get<std::vector<Json>>();
}

ReplicaFacts ask_replica(kube::Client& client, const std::string& pod) {
  ReplicaFacts replica{.pod = pod};
  try {
    replica.status =
        client.get(kube::resource_path("v1", "Pod", manifests::kWebhookNamespace, pod + ":8080") + "/proxy/status");
  } catch (const kube::ApiError& error) {
    replica.unreachable = error.what();
  }
  return replica;
}

std::vector<ReplicaFacts> ask_replicas(kube::Client& client) {
  std::vector<ReplicaFacts> replicas;
  const kube::Selector ours = {.labels = "app.kubernetes.io/name=" + std::string(manifests::kWebhookName),
                               .fields = "status.phase=Running"};
  for (const Json& pod : items(client, kube::resource_path("v1", "Pod", manifests::kWebhookNamespace), ours)) {
    if (kube::text_at(pod, "/metadata/deletionTimestamp").empty()) {
      replicas.push_back(ask_replica(client, kube::text_at(pod, "/metadata/name")));
    }
  }
  return replicas;
}

void read_policies(kube::Client& client, WebhookFacts& facts) {
  const std::optional<Json> config_map =
      client.find(kube::resource_path("v1", "ConfigMap", manifests::kWebhookNamespace, "gpuinfer-policy"));
  if (!config_map) {
    facts.policy_problem = "there is none: a new webhook pod cannot start";
    return;
  }
  std::vector<policies::PolicyFile> files;
  const Json data = config_map->value("data", Json::object());
  for (const auto& [name, text] : data.items()) {
    files.push_back({name, text.get<std::string>()});
  }
  try {
    facts.policies = policies::parse_policy_files(files);
  } catch (const Error& error) {
    facts.policy_problem = error.what();
  }
}

std::vector<Json> pods_that_ask(kube::Client& client) {
  std::vector<Json> pods = items(client, kube::resource_path("v1", "Pod", ""));
  std::erase_if(pods, [](const Json& pod) {
    const Json annotations = pod.value("/metadata/annotations"_json_pointer, Json::object());
    return annotations.value("gpuinfer.dev/inject", "") != "true";
  });
  return pods;
}

}  // namespace

WebhookFacts gather_webhook_facts(kube::Client& client) {
  WebhookFacts facts;
  facts.now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  facts.api_server_version = kube::text_at(client.get("/version"), "/gitVersion");
  for (Json& configuration : items(client, kube::resource_path(kAdmission, kConfigurations, ""))) {
    if (kube::text_at(configuration, "/metadata/name") == manifests::kWebhookName) {
      facts.configuration = std::move(configuration);
    } else {
      facts.other_configurations.push_back(std::move(configuration));
    }
  }
  facts.deployment =
      client.find(kube::resource_path("apps/v1", "Deployment", manifests::kWebhookNamespace, manifests::kWebhookName));
  facts.endpoint_slices =
      items(client, kube::resource_path("discovery.k8s.io/v1", "EndpointSlice", manifests::kWebhookNamespace),
            {.labels = "kubernetes.io/service-name=" + std::string(manifests::kWebhookName), .fields = ""});
  facts.replicas = ask_replicas(client);
  read_policies(client, facts);
  facts.pods_that_ask = pods_that_ask(client);
  if (facts.configuration) facts.probe_problem = injection_problem(client);
  return facts;
}

}  // namespace gpuinfer::plugin
