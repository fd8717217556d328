// What Prometheus scrapes.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>

#include "webhook/admission_review.hpp"
#include "webhook/exposition.hpp"

namespace gpuinfer::webhook {

/// All metrics of the webhook, named gpuinfer_webhook_…; docs/webhook.md describes each. For any thread.
class Metrics {
 public:
  Metrics();

  void count_review(const AdmissionResult& result, std::chrono::duration<double> seconds);
  /// A request that was no review; docs/webhook.md lists the reasons.
  void count_bad_request(const std::string& reason);
  void count_ended_connection(const std::string& how);
  void count_policy_reload(bool succeeded);
  void count_certificate_reload(bool succeeded);
  void set_policies(int generation, const std::string& hash, bool are_stale);
  void set_certificate(std::chrono::system_clock::time_point not_after, bool is_stale);

  /// In the text format of Prometheus. `connections` are open now.
  std::string text(std::size_t connections);

 private:
  std::mutex mutex_;  ///< for all that follows
  Metric reviews_;
  Metric actions_;
  Metric bad_requests_;
  Metric ended_connections_;
  Metric policy_reloads_;
  Metric certificate_reloads_;
  Histogram duration_;
  Histogram patch_bytes_;
  Metric connections_;
  Metric policy_generation_;
  Metric policy_stale_;
  Metric policy_info_;
  Metric certificate_expiry_;
  Metric certificate_stale_;
};

}  // namespace gpuinfer::webhook
