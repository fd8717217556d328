// One HTTP request of the API server: checks what surrounds the review, answers it, and says so in log and metrics.
#pragma once

#include "webhook/front/http.hpp"
#include "webhook/metrics.hpp"
#include "webhook/policy_files.hpp"

namespace gpuinfer::webhook {

/// POST /mutate. Answers 404 (another path), 405 (another method), 415 (no JSON) and 400 (no AdmissionReview) with a
/// JSON body {"error": …}.
class ReviewHandler {
 public:
  ReviewHandler(const PolicyFiles& policies, Metrics& metrics) : policies_(policies), metrics_(metrics) {}

  Response operator()(const Request& request) const;

 private:
  Response refuse(int status, const std::string& reason, const std::string& message) const;

  const PolicyFiles& policies_;
  Metrics& metrics_;
};

/// Counts and logs a request that was answered with `status` because it is no review.
void report_bad_request(Metrics& metrics, int status, const std::string& reason, const std::string& message);

}  // namespace gpuinfer::webhook
