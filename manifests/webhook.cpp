#include "manifests/webhook.hpp"

#include "base/base64.hpp"
#include "base/version.hpp"
#include "manifests/embedded.hpp"
#include "manifests/labels.hpp"
#include "manifests/template.hpp"

namespace gpuinfer::manifests {

namespace {

constexpr char kComponent[] = "webhook";

}  // namespace

std::string default_webhook_image() { return std::string("ghcr.io/gpuinfer/gpuinfer-webhook:") + kVersion; }

std::vector<Json> webhook_objects(const WebhookInstall& install) {
  const Json labels = common_labels(kWebhookName, kComponent);
  const Json selector = selector_labels(kWebhookName, kComponent);
  const bool ignore = install.failure_policy == FailurePolicy::kIgnore;
  return {
      render_template(embedded::webhook_namespace_yaml, "webhook_namespace.yaml", {}),
      render_template(embedded::webhook_service_account_yaml, "webhook_service_account.yaml", {{"labels", labels}}),
      render_template(embedded::webhook_secret_yaml, "webhook_secret.yaml",
                      {{"labels", labels},
                       {"authorities", base64_encode(install.authorities)},
                       {"certificate", base64_encode(install.certificate)},
                       {"key", base64_encode(install.key)}}),
      render_template(embedded::webhook_config_map_yaml, "webhook_config_map.yaml",
                      {{"labels", labels}, {"policy", install.policy_yaml}}),
      render_template(embedded::webhook_service_yaml, "webhook_service.yaml",
                      {{"labels", labels}, {"selector", selector}}),
      render_template(embedded::webhook_pod_disruption_budget_yaml, "webhook_pod_disruption_budget.yaml",
                      {{"labels", labels}, {"selector", selector}}),
      render_template(embedded::webhook_deployment_yaml, "webhook_deployment.yaml",
                      {{"labels", labels},
                       {"selector", selector},
                       {"replicas", install.replicas},
                       {"image", install.image},
                       {"tolerations", install.tolerations.empty() ? Json() : install.tolerations}}),
      render_template(embedded::webhook_configuration_yaml, "webhook_configuration.yaml",
                      {{"labels", labels},
                       {"ca_bundle", base64_encode(install.authorities)},
                       {"failure_policy", ignore ? "Ignore" : "Fail"}}),
  };
}

}  // namespace gpuinfer::manifests
