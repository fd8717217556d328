// One HTTP request of the API server: checks what surrounds the review, answers it, and says so in log and metrics.
#pragma once

#include <httplib.h>

#include "policies/policy_set.hpp"
#include "webhook/current.hpp"
#include "webhook/metrics.hpp"

namespace gpuinfer::webhook {

/// The API server sends at most 3 MiB.
inline constexpr std::size_t kMaxBodyBytes = 4 << 20;

/// POST /mutate. Answers 415 (no JSON), 413 (too large) and 400 (no AdmissionReview) with a JSON body {"error": …}.
class ReviewHandler {
 public:
  ReviewHandler(const Current<policies::PolicySet>& policies, Metrics& metrics)
      : policies_(policies), metrics_(metrics) {}

  void operator()(const httplib::Request& request, httplib::Response& response,
                  const httplib::ContentReader& read_content) const;

 private:
  void refuse(httplib::Response& response, int status, const std::string& reason, const std::string& message) const;

  const Current<policies::PolicySet>& policies_;
  Metrics& metrics_;
};

}  // namespace gpuinfer::webhook
