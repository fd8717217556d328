// What Prometheus scrapes.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <cstddef>
#include <string>

#include "webhook/admission_review.hpp"

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
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& reviews_;
  prometheus::Family<prometheus::Counter>& actions_;
  prometheus::Family<prometheus::Counter>& bad_requests_;
  prometheus::Family<prometheus::Counter>& ended_connections_;
  prometheus::Family<prometheus::Counter>& policy_reloads_;
  prometheus::Family<prometheus::Counter>& certificate_reloads_;
  prometheus::Histogram& duration_;
  prometheus::Histogram& patch_bytes_;
  prometheus::Gauge& connections_;
  prometheus::Gauge& policy_generation_;
  prometheus::Gauge& policy_stale_;
  prometheus::Family<prometheus::Gauge>& policy_info_;
  prometheus::Gauge* policy_info_now_ = nullptr;
  prometheus::Gauge& certificate_expiry_;
  prometheus::Gauge& certificate_stale_;
};

}  // namespace gpuinfer::webhook
