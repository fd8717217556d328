#include "plugin/doctor/doctor.hpp"

#include <algorithm>
#include <iterator>

#include "plugin/doctor/checks.hpp"

namespace gpuinfer::plugin {

std::string to_string(Severity severity) {
  return severity == Severity::kOk ? "ok" : severity == Severity::kWarning ? "warning" : "error";
}

Findings examine(const WebhookFacts& facts) {
  Findings findings;
  for (const auto& check :
       {check_configuration, check_replicas, check_certificates, check_policies, check_injection, check_surroundings}) {
    std::ranges::move(check(facts), std::back_inserter(findings));
  }
  return findings;
}

bool is_healthy(const Findings& findings) {
  return std::ranges::all_of(findings, [](const Finding& finding) { return finding.severity == Severity::kOk; });
}

}  // namespace gpuinfer::plugin
