// The MutatingWebhookConfiguration as it is against the one that `install` writes.
#include <algorithm>

#include "kube/json_field.hpp"
#include "manifests/webhook.hpp"
#include "plugin/doctor/checks.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr char kCheck[] = "configuration";
constexpr char kInstallAgain[] = "run 'kubectl gpuinfer install' again, with the options that you want";

/// What of a webhook decides which requests come to us and what happens to them. failurePolicy is the user's choice.
constexpr const char* kFields[] = {"rules",
                                   "matchConditions",
                                   "matchPolicy",
                                   "sideEffects",
                                   "timeoutSeconds",
                                   "reinvocationPolicy",
                                   "admissionReviewVersions"};

const Json* webhook_called(const Json& configuration, const std::string& name) {
  if (!configuration.contains("webhooks")) return nullptr;
  for (const Json& webhook : configuration["webhooks"]) {
    if (kube::text_at(webhook, "/name") == name) return &webhook;
  }
  return nullptr;
}

/// Same members in any order, also where the API server keeps others of its own.
bool same(const Json& one, const Json& other) { return nlohmann::json(one) == nlohmann::json(other); }

Findings compare(const Json& wanted, const Json& found) {
  Findings findings;
  const std::string name = kube::text_at(wanted, "/name");
  for (const char* field : kFields) {
    if (!same(wanted.value(field, Json()), found.value(field, Json()))) {
      findings.push_back(
          {kCheck, Severity::kWarning, name + ": " + field + " is not what this version installs", kInstallAgain});
    }
  }
  const Json excluded = found.value("/namespaceSelector/matchExpressions"_json_pointer, Json::array());
  if (excluded.dump().find("\"kube-system\"") == std::string::npos) {
    findings.push_back({kCheck, Severity::kError,
                        name + ": kube-system is not excluded: the cluster may not be able to heal itself",
                        kInstallAgain});
  }
  return findings;
}

}  // namespace

Findings check_configuration(const WebhookFacts& facts) {
  if (!facts.configuration) {
    return {{kCheck, Severity::kError, "there is no MutatingWebhookConfiguration gpuinfer-webhook: no pod is injected",
             "install the webhook: kubectl gpuinfer install"}};
  }
  Findings findings;
  manifests::WebhookInstall install;
  install.asked_about_every_pod = facts.policies && facts.policies->injects_without_annotation();
  const Json wanted = manifests::webhook_objects(install).back();
  bool fails = false;
  for (const Json& webhook : wanted.at("webhooks")) {
    const std::string name = webhook.at("name");
    const Json* found = webhook_called(*facts.configuration, name);
    if (found == nullptr) {
      findings.push_back({kCheck, Severity::kError, "the webhook " + name + " is missing", kInstallAgain});
      continue;
    }
    std::ranges::move(compare(webhook, *found), std::back_inserter(findings));
    fails = fails || kube::text_at(*found, "/failurePolicy") == "Fail";
  }
  const int replicas = facts.deployment ? kube::number_at(*facts.deployment, "/spec/replicas", 1) : 0;
  if (fails && replicas < 2) {
    findings.push_back({kCheck, Severity::kWarning,
                        "failurePolicy is Fail and there are fewer than two replicas: while none answers, no pod that "
                        "asks for injection can start",
                        "kubectl gpuinfer install --failure-policy Fail --replicas 2"});
  }
  if (findings.empty()) {
    findings.push_back(
        {kCheck, Severity::kOk, std::string("as installed, failurePolicy ") + (fails ? "Fail" : "Ignore")});
  }
  return findings;
}

}  // namespace gpuinfer::plugin
