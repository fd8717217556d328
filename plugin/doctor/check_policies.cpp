// The policy documents: those in the ConfigMap, and those that the replicas use.
#include <set>

#include "kube/json_field.hpp"
#include "plugin/doctor/checks.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr char kCheck[] = "policies";
constexpr char kCorrect[] =
    "kubectl edit configmap gpuinfer-policy -n gpuinfer-system (every replica reads it again within two minutes), or "
    "kubectl gpuinfer install --policy FILE";

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

Findings check_policies(const WebhookFacts& facts) {
  Findings findings;
  if (facts.policies) {
    findings.push_back({kCheck, Severity::kOk, "sound: " + joined(facts.policies->names())});
  } else {
    findings.push_back({kCheck, Severity::kError, "the ConfigMap gpuinfer-policy: " + facts.policy_problem, kCorrect});
  }
  std::set<std::string> hashes;
  for (const ReplicaFacts& replica : facts.replicas) {
    if (replica.status.is_null()) continue;
    hashes.insert(kube::text_at(replica.status, "/policy/hash"));
    const std::string error = kube::text_at(replica.status, "/policy/error");
    if (error.empty()) continue;
    findings.push_back(
        {kCheck, Severity::kError, replica.pod + " goes on with the last good documents: " + error, kCorrect});
  }
  if (hashes.size() > 1) {
    findings.push_back({kCheck, Severity::kWarning, "the replicas use different documents",
                        "after a change this lasts for up to two minutes; after that, look at the replicas' logs"});
  }
  return findings;
}

}  // namespace gpuinfer::plugin
