// The objects that the project creates, against the YAML written down for them, and the rules that they keep.
#include <algorithm>

#include "base/version.hpp"
#include "base/yaml.hpp"
#include "catch.hpp"
#include "manifests/golden.hpp"
#include "manifests/kustomization.hpp"
#include "manifests/model.hpp"
#include "manifests/node_pool.hpp"
#include "manifests/webhook.hpp"

namespace gpuinfer::manifests {
namespace {

/// An image that does not change with each release, for golden files.
constexpr char kImage[] = "ghcr.io/gpuinfer/test:1";

ModelDeployment small_model() {
  ModelDeployment deployment;
  deployment.name = "smollm2-135m";
  deployment.model = "smollm2-135m";
  deployment.image = kImage;
  return deployment;
}

ModelDeployment large_model() {
  ModelDeployment deployment;
  deployment.name = "gpt-oss-20b";
  deployment.namespace_name = "models";
  deployment.model = "openai/gpt-oss-20b";
  deployment.served_model_name = "gpt-oss";
  deployment.storage = "s3";
  deployment.image = kImage;
  deployment.replicas = 2;
  deployment.gpus = 4;
  deployment.cpu_request = "7500m";
  deployment.memory_request = "24Gi";
  deployment.memory_limit = "32Gi";
  deployment.ephemeral_storage_request = "10Gi";
  deployment.arguments = {"--max-model-len=32768"};
  deployment.annotations = {{"gpuinfer.dev/shm-size", "8Gi"}};
  return deployment;
}

WebhookInstall webhook_install() {
  WebhookInstall install;
  install.image = kImage;
  install.policy_yaml = "apiVersion: gpuinfer.dev/v1\nkind: Policy\n";
  return install;
}

const Json& of_kind(const std::vector<Json>& objects, const std::string& kind) {
  const auto found = std::ranges::find_if(objects, [&](const Json& object) { return object["kind"] == kind; });
  REQUIRE(found != objects.end());
  return *found;
}

/// The demands of the pod security standard "restricted", as far as our pods touch them
/// (https://kubernetes.io/docs/concepts/security/pod-security-standards/).
void check_restricted(const Json& pod_spec) {
  CHECK(pod_spec["securityContext"]["runAsNonRoot"] == true);
  CHECK(pod_spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault");
  for (const Json& container : pod_spec["containers"]) {
    CHECK(container["securityContext"]["allowPrivilegeEscalation"] == false);
    CHECK(container["securityContext"]["capabilities"]["drop"] == Json({"ALL"}));
    CHECK(container["securityContext"]["readOnlyRootFilesystem"] == true);
  }
}

TEST_CASE("the objects of a model are as written down") {
  check_golden(model_objects(small_model()), "model_small.yaml");
  check_golden(model_objects(large_model()), "model_large.yaml");
}

TEST_CASE("the objects of the webhook are as written down") {
  check_golden(webhook_objects(webhook_install()), "webhook.yaml");
  WebhookInstall install = webhook_install();
  install.replicas = 1;
  install.failure_policy = FailurePolicy::kFail;
  install.tolerations = Json::array({{{"key", "CriticalAddonsOnly"}, {"operator", "Exists"}}});
  install.excluded_namespaces = {"karpenter", "kube-system"};
  install.asked_about_every_pod = true;
  check_golden(webhook_objects(install), "webhook_fail_closed.yaml");
  install = webhook_install();
  install.certificates = Certificates::kCertManager;
  check_golden(webhook_objects(install), "webhook_cert_manager.yaml");
  install.certificates = Certificates::kSecret;
  install.secret = "mine";
  install.ca_bundle = "authority\n";
  check_golden(webhook_objects(install), "webhook_own_secret.yaml");
  check_golden({webhook_secret()}, "webhook_secret.yaml");
}

TEST_CASE("the node pool is as written down") {
  check_golden({gpu_node_pool({})}, "gpu_node_pool.yaml");
  GpuNodePool pool;
  pool.name = "gpu-spot";
  pool.instance_families = {"g6e"};
  pool.capacity_types = {"spot", "on-demand"};
  pool.zones = {"us-west-2a"};
  pool.max_gpus = 8;
  check_golden({gpu_node_pool(pool)}, "gpu_node_pool_spot.yaml");
}

TEST_CASE("a model without GPUs asks for none") {
  ModelDeployment deployment = small_model();
  deployment.gpus = 0;
  const Json limits = of_kind(model_objects(deployment),
                              "Deployment")["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"];
  CHECK(limits == Json{{"memory", "2Gi"}});
}

TEST_CASE("what depends on the cluster is left to the webhook") {
  const Json pod = of_kind(model_objects(large_model()), "Deployment")["spec"]["template"]["spec"];
  CHECK_FALSE(pod.contains("tolerations"));
  CHECK_FALSE(pod.contains("volumes"));
  CHECK_FALSE(pod["containers"][0].contains("volumeMounts"));
  CHECK_FALSE(pod["containers"][0].contains("env"));
}

TEST_CASE("pods keep the restricted pod security standard") {
  check_restricted(of_kind(model_objects(large_model()), "Deployment")["spec"]["template"]["spec"]);
  check_restricted(of_kind(webhook_objects(webhook_install()), "Deployment")["spec"]["template"]["spec"]);
}

TEST_CASE("services and budgets select the pods of their deployment") {
  for (const auto& objects : {model_objects(large_model()), webhook_objects(webhook_install())}) {
    const Json& deployment = of_kind(objects, "Deployment");
    const Json& labels = deployment["spec"]["template"]["metadata"]["labels"];
    for (const auto& [key, value] : of_kind(objects, "Service")["spec"]["selector"].items())
      CHECK(labels[key] == value);
    CHECK(of_kind(objects, "Service")["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]);
    CHECK(deployment["spec"]["template"]["spec"]["serviceAccountName"] ==
          of_kind(objects, "ServiceAccount")["metadata"]["name"]);
    CHECK(of_kind(objects, "ServiceAccount")["automountServiceAccountToken"] == false);
  }
}

TEST_CASE("the selectors for our objects fit their labels") {
  const Json labels = of_kind(model_objects(large_model()), "Service")["metadata"]["labels"];
  std::string wanted = model_selector("gpt-oss-20b") + ",";
  while (!wanted.empty()) {
    const std::size_t equals = wanted.find('=');
    const std::size_t comma = wanted.find(',');
    CHECK(labels[wanted.substr(0, equals)] == wanted.substr(equals + 1, comma - equals - 1));
    wanted.erase(0, comma + 1);
  }
  CHECK(model_selector("gpt-oss-20b").starts_with(model_selector() + ","));
}

TEST_CASE("a token only where the webhook looks after its certificates, and then for two objects by name") {
  for (const Certificates certificates : {Certificates::kSelf, Certificates::kCertManager, Certificates::kSecret}) {
    WebhookInstall install = webhook_install();
    install.certificates = certificates;
    const std::vector<Json> objects = webhook_objects(install);
    const bool self = certificates == Certificates::kSelf;
    CHECK(of_kind(objects, "Deployment")["spec"]["template"]["spec"]["automountServiceAccountToken"] == self);
    CHECK(of_kind(objects, "NetworkPolicy")["spec"]["egress"].empty() != self);
    for (const Json& object : objects) {
      const std::string kind = object["kind"];
      if (!self) CHECK(kind.find("Role") == std::string::npos);
      if (!object.contains("rules")) continue;
      for (const Json& rule : object["rules"]) {
        CHECK(rule["resourceNames"].size() == 1);
        CHECK(std::ranges::count(rule["verbs"], Json("create")) == 0);
      }
    }
  }
}

TEST_CASE("everything that any installation makes is deleted, the configuration first, the namespace last") {
  const std::vector<Json> all = all_webhook_objects();
  CHECK(all.front()["kind"] == "MutatingWebhookConfiguration");
  CHECK(all.back()["kind"] == "Namespace");
  const auto is_deleted = [&](const Json& object) {
    return std::ranges::any_of(all, [&](const Json& deleted) {
      return deleted["kind"] == object["kind"] && deleted["metadata"]["name"] == object["metadata"]["name"];
    });
  };
  for (const Certificates certificates : {Certificates::kSelf, Certificates::kCertManager, Certificates::kSecret}) {
    WebhookInstall install = webhook_install();
    install.certificates = certificates;
    for (const Json& object : webhook_objects(install)) {
      CAPTURE(object["kind"], object["metadata"]["name"]);
      CHECK(is_deleted(object));
    }
  }
  CHECK(is_deleted(webhook_secret()));
}

TEST_CASE("the webhook cannot lock the cluster up") {
  const std::vector<Json> objects = webhook_objects(webhook_install());
  CHECK(objects.back()["kind"] == "MutatingWebhookConfiguration");
  CHECK(objects.front()["kind"] == "Namespace");
  for (const Json& webhook : objects.back()["webhooks"]) {
    CHECK(webhook["failurePolicy"] == "Ignore");
    CHECK(webhook["timeoutSeconds"] == 3);
    CHECK(webhook["sideEffects"] == "None");
    const Json excluded = webhook["namespaceSelector"]["matchExpressions"][0];
    CHECK(excluded["operator"] == "NotIn");
    for (const char* name : {"kube-system", "kube-node-lease", kWebhookNamespace}) {
      CHECK(std::ranges::count(excluded["values"], Json(name)) == 1);
    }
  }
}

TEST_CASE("the API server finds the webhook where it is") {
  const std::vector<Json> objects = webhook_objects(webhook_install());
  const Json& service = of_kind(objects, "Service");
  for (const Json& webhook : objects.back()["webhooks"]) {
    const Json& target = webhook["clientConfig"]["service"];
    CHECK(target["name"] == service["metadata"]["name"]);
    CHECK(target["namespace"] == service["metadata"]["namespace"]);
    CHECK(target["port"] == service["spec"]["ports"][0]["port"]);
    CHECK(kWebhookDnsName == target["name"].get<std::string>() + "." + target["namespace"].get<std::string>() + ".svc");
  }
}

TEST_CASE("images are those of this version") {
  CHECK(default_server_image() == std::string("ghcr.io/gpuinfer/gpuinfer-server:") + kVersion);
  CHECK(default_webhook_image() == std::string("ghcr.io/gpuinfer/gpuinfer-webhook:") + kVersion);
}

TEST_CASE("a folder for `kubectl apply -k`") {
  const std::vector<Json> objects = model_objects(large_model());
  const std::vector<ManifestFile> files = kustomization_files(objects, "elsewhere");
  REQUIRE(files.size() == 4);
  CHECK(files[0].name == "service-account.yaml");
  CHECK(files[1].name == "service.yaml");
  CHECK(files[2].name == "deployment.yaml");
  CHECK(files[3].name == "kustomization.yaml");
  CHECK(files[3].yaml ==
        "apiVersion: kustomize.config.k8s.io/v1beta1\n"
        "kind: Kustomization\n"
        "namespace: elsewhere\n"
        "resources:\n"
        "- service-account.yaml\n"
        "- service.yaml\n"
        "- deployment.yaml\n");
  Json deployment = objects[2];
  deployment["metadata"].erase("namespace");
  CHECK(parse_yaml(files[2].yaml, files[2].name).front().value == deployment);
}

TEST_CASE("two objects of a kind get two files") {
  GpuNodePool other;
  other.name = "other";
  const std::vector<ManifestFile> files = kustomization_files({gpu_node_pool({}), gpu_node_pool(other)}, "");
  CHECK(files[0].name == "node-pool-gpu.yaml");
  CHECK(files[1].name == "node-pool-other.yaml");
  CHECK(files[2].yaml.find("namespace") == std::string::npos);
}

}  // namespace
}  // namespace gpuinfer::manifests
