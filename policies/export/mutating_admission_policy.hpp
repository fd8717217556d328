// The policies without a server: a MutatingAdmissionPolicy (admissionregistration.k8s.io/v1, Kubernetes 1.36 and later)
// that makes the API server itself do, in CEL, what the webhook does to pods.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "policies/policy_set.hpp"

namespace gpuinfer::policies {

/// What to apply to a cluster, and what to know about it.
struct AdmissionPolicyExport {
  Json policy;   ///< a MutatingAdmissionPolicy
  Json binding;  ///< its MutatingAdmissionPolicyBinding: without one it does nothing
  /// What the webhook does with these documents and the policy does not, one sentence each.
  std::vector<std::string> gaps;
};

/// What the documents without a selector add up to, in CEL. One with a selector is a gap.
AdmissionPolicyExport export_mutating_admission_policy(const PolicySet& policies);

/// The export as a YAML stream whose head says what is missing.
std::string to_yaml(const AdmissionPolicyExport& exported);

}  // namespace gpuinfer::policies
