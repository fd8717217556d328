// What Prometheus scrapes.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <string>

#include "webhook/admission_review.hpp"

namespace gpuinfer::webhook {

/// All metrics of the webhook, named gpuinfer_webhook_…; docs/webhook.md describes each.
class Metrics {
 public:
  Metrics();

  void count_review(const AdmissionResult& result, std::chrono::duration<double> seconds);
  /// A request that was no review: "content_type", "too_large", "malformed".
  void count_bad_request(const std::string& reason);
  void count_policy_reload(bool succeeded);
  void count_certificate_reload(bool succeeded);
  void set_certificate_expiry(std::chrono::system_clock::time_point not_after);

  /// In the text format of Prometheus.
  std::string text() const;

 private:
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& reviews_;
  prometheus::Family<prometheus::Counter>& actions_;
  prometheus::Family<prometheus::Counter>& bad_requests_;
  prometheus::Family<prometheus::Counter>& policy_reloads_;
  prometheus::Family<prometheus::Counter>& certificate_reloads_;
  prometheus::Histogram& duration_;
  prometheus::Histogram& patch_bytes_;
  prometheus::Gauge& certificate_expiry_;
};

}  // namespace gpuinfer::webhook
