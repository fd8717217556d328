#include "manifests/webhook.hpp"

#include <algorithm>

#include "base/base64.hpp"
#include "base/version.hpp"
#include "manifests/embedded.hpp"
#include "manifests/labels.hpp"
#include "manifests/template.hpp"

namespace gpuinfer::manifests {

namespace {

constexpr char kComponent[] = "webhook";

/// CEL. A value that is neither "true" nor "false" comes to us too, to be answered with a warning.
constexpr char kAsksForInjection[] =
    "has(object.metadata.annotations) && 'gpuinfer.dev/inject' in object.metadata.annotations && "
    "object.metadata.annotations['gpuinfer.dev/inject'] != 'false'";
constexpr char kUnlessOptedOut[] =
    "!has(object.metadata.annotations) || !('gpuinfer.dev/inject' in object.metadata.annotations) || "
    "object.metadata.annotations['gpuinfer.dev/inject'] != 'false'";

Json labels() { return common_labels(kWebhookName, kComponent); }
Json selector() { return selector_labels(kWebhookName, kComponent); }

Json render(std::string_view text, const std::string& name, Parameters parameters) {
  parameters.emplace("labels", labels());
  return render_template(text, name, parameters);
}

/// The objects that only this way of looking after certificates needs.
std::vector<Json> certificate_objects(Certificates certificates) {
  if (certificates == Certificates::kSelf) {
    return {
        render(embedded::webhook_role_yaml, "webhook_role.yaml", {}),
        render(embedded::webhook_role_binding_yaml, "webhook_role_binding.yaml", {}),
        render(embedded::webhook_cluster_role_yaml, "webhook_cluster_role.yaml", {}),
        render(embedded::webhook_cluster_role_binding_yaml, "webhook_cluster_role_binding.yaml", {}),
    };
  }
  if (certificates == Certificates::kCertManager) {
    return {
        render(embedded::webhook_certificate_authority_issuer_yaml, "webhook_certificate_authority_issuer.yaml", {}),
        render(embedded::webhook_certificate_authority_yaml, "webhook_certificate_authority.yaml", {}),
        render(embedded::webhook_certificate_issuer_yaml, "webhook_certificate_issuer.yaml", {}),
        render(embedded::webhook_certificate_yaml, "webhook_certificate.yaml", {}),
    };
  }
  return {};
}

Json network_policy(const WebhookInstall& install) {
  Json egress = Json::array();
  if (install.certificates == Certificates::kSelf) {
    egress.push_back({{"ports", {{{"port", 443}, {"protocol", "TCP"}}, {{"port", 6443}, {"protocol", "TCP"}}}}});
  }
  return render(embedded::webhook_network_policy_yaml, "webhook_network_policy.yaml",
                {{"selector", selector()}, {"egress", egress}});
}

Json deployment(const WebhookInstall& install) {
  const bool self = install.certificates == Certificates::kSelf;
  Json arguments = {"--policy=/etc/gpuinfer/policy", "--port=8443", "--metrics-port=8080", "--drain-seconds=15"};
  Json volume, mount;
  if (self) {
    arguments.push_back("--tls-secret=" + install.secret);
  } else {
    arguments.push_back("--tls-cert=/etc/gpuinfer/tls/tls.crt");
    arguments.push_back("--tls-key=/etc/gpuinfer/tls/tls.key");
    constexpr int kReadableByGroup = 0440;
    volume = {{"name", "tls"}, {"secret", {{"secretName", install.secret}, {"defaultMode", kReadableByGroup}}}};
    mount = {{"name", "tls"}, {"mountPath", "/etc/gpuinfer/tls"}, {"readOnly", true}};
  }
  return render(embedded::webhook_deployment_yaml, "webhook_deployment.yaml",
                {{"selector", selector()},
                 {"replicas", install.replicas},
                 {"image", install.image},
                 {"has_token", self},
                 {"arguments", arguments},
                 {"certificate_mount", mount},
                 {"certificate_volume", volume},
                 {"tolerations", install.tolerations.empty() ? Json() : install.tolerations}});
}

Json configuration(const WebhookInstall& install) {
  Json excluded = {"kube-system", "kube-public", "kube-node-lease", kWebhookNamespace};
  for (const std::string& name : install.excluded_namespaces) {
    if (std::ranges::count(excluded, Json(name)) == 0) excluded.push_back(name);
  }
  const bool by_cert_manager = install.certificates == Certificates::kCertManager;
  const std::string injected_from = std::string(kWebhookNamespace) + "/" + kWebhookName;
  return render(embedded::webhook_configuration_yaml, "webhook_configuration.yaml",
                {{"annotations", by_cert_manager ? Json{{"cert-manager.io/inject-ca-from", injected_from}} : Json()},
                 {"ca_bundle", install.ca_bundle.empty() ? Json() : Json(base64_encode(install.ca_bundle))},
                 {"excluded_namespaces", excluded},
                 {"concerns_us", install.asked_about_every_pod ? kUnlessOptedOut : kAsksForInjection},
                 {"failure_policy", install.failure_policy == FailurePolicy::kIgnore ? "Ignore" : "Fail"}});
}

/// What to call an object by, apart from its contents.
Json identity(const Json& object) {
  Json metadata = {{"name", object.at("metadata").at("name")}};
  if (object.at("metadata").contains("namespace")) metadata["namespace"] = object["metadata"]["namespace"];
  return {{"apiVersion", object.at("apiVersion")}, {"kind", object.at("kind")}, {"metadata", metadata}};
}

}  // namespace

std::string default_webhook_image() { return std::string("ghcr.io/gpuinfer/gpuinfer-webhook:") + kVersion; }

std::vector<Json> webhook_objects(const WebhookInstall& install) {
  std::vector<Json> objects = {
      render_template(embedded::webhook_namespace_yaml, "webhook_namespace.yaml", {}),
      render(embedded::webhook_service_account_yaml, "webhook_service_account.yaml", {}),
  };
  std::ranges::move(certificate_objects(install.certificates), std::back_inserter(objects));
  std::ranges::move(
      std::vector<Json>{
          render(embedded::webhook_config_map_yaml, "webhook_config_map.yaml", {{"policy", install.policy_yaml}}),
          render(embedded::webhook_service_yaml, "webhook_service.yaml", {{"selector", selector()}}),
          network_policy(install),
          render(embedded::webhook_pod_disruption_budget_yaml, "webhook_pod_disruption_budget.yaml",
                 {{"selector", selector()}}),
          deployment(install),
          configuration(install),
      },
      std::back_inserter(objects));
  return objects;
}

Json webhook_secret() { return render(embedded::webhook_secret_yaml, "webhook_secret.yaml", {}); }

std::vector<Json> all_webhook_objects() {
  std::vector<Json> objects = webhook_objects({});
  std::vector<Json> others = certificate_objects(Certificates::kCertManager);
  others.push_back(webhook_secret());
  objects.insert(objects.begin() + 1, others.begin(), others.end());  // behind the namespace, which goes last
  for (Json& object : objects) object = identity(object);
  std::ranges::reverse(objects);
  return objects;
}

}  // namespace gpuinfer::manifests
