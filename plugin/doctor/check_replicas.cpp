// The webhook's pods, and the way to them.
#include "kube/json_field.hpp"
#include "plugin/doctor/checks.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr char kCheck[] = "replicas";
constexpr char kLook[] = "kubectl get pods -n gpuinfer-system; kubectl describe shows what holds a pod up";

int ready_endpoints(const std::vector<Json>& slices) {
  int ready = 0;
  for (const Json& slice : slices) {
    if (!slice.contains("endpoints") || !slice["endpoints"].is_array()) continue;
    for (const Json& endpoint : slice["endpoints"]) ready += kube::flag_at(endpoint, "/conditions/ready") ? 1 : 0;
  }
  return ready;
}

}  // namespace

Findings check_replicas(const WebhookFacts& facts) {
  if (!facts.deployment) {
    return {{kCheck, Severity::kError, "there is no Deployment gpuinfer-webhook", "kubectl gpuinfer install"}};
  }
  Findings findings;
  const int wanted = kube::number_at(*facts.deployment, "/spec/replicas", 1);
  const int ready = kube::number_at(*facts.deployment, "/status/readyReplicas");
  const std::string counts = std::to_string(ready) + " of " + std::to_string(wanted) + " ready";
  if (wanted == 0) {
    findings.push_back({kCheck, Severity::kError, "scaled to zero: nobody answers",
                        "kubectl scale deployment gpuinfer-webhook -n gpuinfer-system --replicas 2"});
  } else if (ready < wanted) {
    findings.push_back({kCheck, ready == 0 ? Severity::kError : Severity::kWarning, counts, kLook});
  } else if (wanted == 1) {
    findings.push_back({kCheck, Severity::kWarning, "there is only one: while it moves, reviews get lost",
                        "kubectl gpuinfer install --replicas 2"});
  }
  if (ready_endpoints(facts.endpoint_slices) < ready) {
    findings.push_back({kCheck, Severity::kError, "the Service gpuinfer-webhook does not lead to every ready pod",
                        "did its selector change? 'kubectl gpuinfer install' writes it again"});
  }
  for (const ReplicaFacts& replica : facts.replicas) {
    if (replica.unreachable.empty()) continue;
    findings.push_back({kCheck, Severity::kWarning, replica.pod + " does not say how it is: " + replica.unreachable,
                        "may the API server reach port 8080 of the webhook's pods (security groups, network "
                        "policies), and may you use pods/proxy?"});
  }
  if (findings.empty()) findings.push_back({kCheck, Severity::kOk, counts});
  return findings;
}

}  // namespace gpuinfer::plugin
