// What around the webhook may undo its work.
#include <cstdio>

#include "kube/json_field.hpp"
#include "manifests/webhook.hpp"
#include "plugin/doctor/checks.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr char kCheck[] = "surroundings";
constexpr int kOldestMinor = 30;  // matchConditions are part of Kubernetes since then

bool contains(const Json& list, const std::string& value) {
  for (const Json& item : list) {
    if (item == Json(value) || item == Json("*")) return true;
  }
  return false;
}

/// Whether a webhook of `configuration` is asked when a pod is created.
bool sees_new_pods(const Json& configuration) {
  for (const Json& webhook : configuration.value("webhooks", Json::array())) {
    for (const Json& rule : webhook.value("rules", Json::array())) {
      const Json none = Json::array();
      if (contains(rule.value("resources", none), "pods") && contains(rule.value("operations", none), "CREATE")) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

Findings check_surroundings(const WebhookFacts& facts) {
  Findings findings;
  int major = 0, minor = 0;
  const bool parsed = std::sscanf(facts.api_server_version.c_str(), "v%d.%d", &major, &minor) == 2;
  if (parsed && major == 1 && minor < kOldestMinor) {
    findings.push_back({kCheck, Severity::kError,
                        "the API server is " + facts.api_server_version + ": it does not know matchConditions",
                        "Kubernetes 1.30 or newer is needed"});
  }
  for (const Json& configuration : facts.other_configurations) {
    const std::string name = kube::text_at(configuration, "/metadata/name");
    // Configurations are called in the order of their names.
    if (name > manifests::kWebhookName && sees_new_pods(configuration)) {
      findings.push_back({kCheck, Severity::kOk,
                          "the webhook " + name +
                              " is asked about pods after ours; ours is asked again where it changes "
                              "something"});
    }
  }
  if (findings.empty()) findings.push_back({kCheck, Severity::kOk, "API server " + facts.api_server_version});
  return findings;
}

}  // namespace gpuinfer::plugin
