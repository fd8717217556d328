#include "policies/rejection.hpp"

namespace gpuinfer::policies {

Injection rejection(const Json& object, const InjectionPolicy& policy, const std::vector<std::string>& problems) {
  Injection injection;
  injection.object = object;
  if (policy.on_invalid_annotation == OnInvalidAnnotation::kDeny) {
    injection.outcome = Outcome::kDenied;
    for (const std::string& problem : problems) injection.denial += (injection.denial.empty() ? "" : "; ") + problem;
    return injection;
  }
  injection.outcome = Outcome::kInvalid;
  for (const std::string& problem : problems) injection.warnings.push_back("not injected: " + problem);
  return injection;
}

}  // namespace gpuinfer::policies
