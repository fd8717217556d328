// AdmissionReview (admission.k8s.io/v1) in and out, as pure functions.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.hpp"
#include "base/json.hpp"
#include "policies/inject.hpp"
#include "policies/policy_set.hpp"

namespace gpuinfer::webhook {

/// A body that is no AdmissionReview v1. Its sender gets HTTP 400; the failure policy of the webhook configuration
/// decides about the object.
class BadReview : public Error {
 public:
  using Error::Error;
};

/// The answer to one review, and what logs and metrics say about it.
struct AdmissionResult {
  Json response;  ///< the AdmissionReview to send back
  policies::Injection injection;
  std::size_t patch_bytes = 0;  ///< of the JSON Patch before base64; 0 without a patch

  std::string uid;
  std::string kind;       ///< "Pod", "Deployment", …
  std::string operation;  ///< "CREATE", "UPDATE", …
  std::string object_namespace;
  std::string object_name;  ///< empty for a pod whose name the API server still has to generate
};

/// Pods are injected on CREATE only (almost nothing of a pod may change later), workloads propagate their annotations
/// on CREATE and UPDATE (a Job on CREATE), everything else (other kinds, subresources, DELETE) is allowed as it is. An
/// object that the policies cannot read counts as one with wrong annotations. Throws BadReview.
AdmissionResult review(const Json& review, const policies::PolicySet& policies);

}  // namespace gpuinfer::webhook
