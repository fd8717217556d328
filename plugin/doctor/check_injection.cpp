// Injection itself: now, and in the pods that are there.
#include "kube/json_field.hpp"
#include "plugin/doctor/checks.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr char kCheck[] = "injection";
/// More would hide the rest of the findings.
constexpr std::size_t kMostPods = 20;

bool is_injected(const Json& pod) {
  return pod.value("/metadata/annotations"_json_pointer, Json::object()).contains("gpuinfer.dev/injected");
}

bool is_over(const Json& pod) {
  const std::string phase = kube::text_at(pod, "/status/phase");
  return phase == "Succeeded" || phase == "Failed";
}

}  // namespace

Findings check_injection(const WebhookFacts& facts) {
  Findings findings;
  if (!facts.probe_problem.empty()) {
    findings.push_back({kCheck, Severity::kError,
                        "a pod that asks for injection does not get it: " + facts.probe_problem,
                        "can the API server reach port 8443 of the webhook's pods (security groups, network policies)? "
                        "the other findings and the webhook's log say more"});
  }
  std::size_t missed = 0;
  for (const Json& pod : facts.pods_that_ask) {
    if (is_injected(pod) || is_over(pod)) continue;
    if (++missed > kMostPods) continue;
    const std::string name_space = kube::text_at(pod, "/metadata/namespace");
    const std::string name = kube::text_at(pod, "/metadata/name");
    findings.push_back({kCheck, Severity::kError,
                        name_space + "/" + name + " asked for injection and was admitted without it",
                        "kubectl delete pod " + name + " -n " + name_space +
                            " (its controller makes a new one); 'kubectl gpuinfer explain pod/" + name + " -n " +
                            name_space + "' says whether an annotation is wrong"});
  }
  if (missed > kMostPods) {
    findings.push_back({kCheck, Severity::kError, std::to_string(missed - kMostPods) + " more pods like these",
                        "kubectl get pods -A -o json shows their annotations"});
  }
  if (findings.empty() && facts.configuration) {
    findings.push_back({kCheck, Severity::kOk,
                        "works; " + std::to_string(facts.pods_that_ask.size()) + " pods ask for it and have it"});
  }
  return findings;
}

}  // namespace gpuinfer::plugin
