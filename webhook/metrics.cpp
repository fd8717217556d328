#include "webhook/metrics.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

namespace gpuinfer::webhook {

namespace {

const std::string kPrefix = "gpuinfer_webhook_";

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry, const std::string& name,
                                                  const std::string& help) {
  return prometheus::BuildCounter().Name(kPrefix + name).Help(help).Register(registry);
}

prometheus::Family<prometheus::Gauge>& gauges(prometheus::Registry& registry, const std::string& name,
                                              const std::string& help) {
  return prometheus::BuildGauge().Name(kPrefix + name).Help(help).Register(registry);
}

prometheus::Histogram& histogram(prometheus::Registry& registry, const std::string& name, const std::string& help,
                                 const prometheus::Histogram::BucketBoundaries& boundaries) {
  return prometheus::BuildHistogram().Name(kPrefix + name).Help(help).Register(registry).Add({}, boundaries);
}

/// A label has few values, whatever a caller sends.
std::string kind_label(const std::string& kind) {
  static constexpr std::array<std::string_view, 8> kKinds = {
      "Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "LeaderWorkerSet"};
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end() ? kind : "other";
}

const char* result_label(bool succeeded) { return succeeded ? "success" : "failure"; }

}  // namespace

Metrics::Metrics()
    : reviews_(counters(registry_, "reviews_total", "Admission reviews by kind of object and outcome.")),
      actions_(counters(registry_, "policy_actions_total", "Changes made, by policy.")),
      bad_requests_(counters(registry_, "bad_requests_total", "Requests that were no admission review, by reason.")),
      ended_connections_(counters(registry_, "ended_connections_total", "HTTPS connections by how they ended.")),
      policy_reloads_(counters(registry_, "policy_reloads_total",
                               "Changed policy documents; after a failure the last good ones stay in force.")),
      certificate_reloads_(counters(registry_, "certificate_reloads_total",
                                    "Changed certificates; after a failure the last good one stays in use.")),
      duration_(histogram(registry_, "review_duration_seconds", "Time from the last byte of a request to its answer.",
                          {0.00005, 0.0001, 0.00015, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1})),
      patch_bytes_(histogram(registry_, "patch_bytes", "Size of the JSON patches, before base64.",
                             {256, 512, 1024, 2048, 4096, 16384, 65536})),
      connections_(gauges(registry_, "connections", "Open HTTPS connections.").Add({})),
      policy_generation_(
          gauges(registry_, "policy_generation", "Counts the policy documents that have been in force since the start.")
              .Add({})),
      policy_stale_(gauges(registry_, "policy_stale",
                           "Is 1 while the newest policy documents have an error and older ones are in force.")
                        .Add({})),
      policy_info_(gauges(registry_, "policy_info", "Always 1; the label hash tells which documents are in force.")),
      certificate_expiry_(gauges(registry_, "certificate_expiry_timestamp_seconds",
                                 "When the certificate in use expires, in seconds since 1970.")
                              .Add({})),
      certificate_stale_(gauges(registry_, "certificate_stale",
                                "Is 1 while the newest certificate is not usable and an older one is in use.")
                             .Add({})) {
  // A counter that does not exist until the first failure cannot be alerted on.
  for (const char* reason : {"path", "method", "content_type", "malformed", "malformed_http", "plain_http",
                             "header_too_large", "too_large", "timeout", "busy", "failed"}) {
    bad_requests_.Add({{"reason", reason}});
  }
  for (const char* how : {"closed", "idle", "timeout", "evicted", "handshake"}) ended_connections_.Add({{"how", how}});
  for (const bool succeeded : {true, false}) {
    policy_reloads_.Add({{"result", result_label(succeeded)}});
    certificate_reloads_.Add({{"result", result_label(succeeded)}});
  }
}

void Metrics::count_review(const AdmissionResult& result, std::chrono::duration<double> seconds) {
  const policies::Injection& injection = result.injection;
  reviews_.Add({{"kind", kind_label(result.kind)}, {"outcome", std::string(name(injection.outcome))}}).Increment();
  for (const policies::Action& action : injection.actions) actions_.Add({{"policy", action.policy}}).Increment();
  duration_.Observe(seconds.count());
  if (result.patch_bytes > 0) patch_bytes_.Observe(static_cast<double>(result.patch_bytes));
}

void Metrics::count_bad_request(const std::string& reason) { bad_requests_.Add({{"reason", reason}}).Increment(); }

void Metrics::count_ended_connection(const std::string& how) { ended_connections_.Add({{"how", how}}).Increment(); }

void Metrics::count_policy_reload(bool succeeded) {
  policy_reloads_.Add({{"result", result_label(succeeded)}}).Increment();
}

void Metrics::count_certificate_reload(bool succeeded) {
  certificate_reloads_.Add({{"result", result_label(succeeded)}}).Increment();
}

void Metrics::set_policies(int generation, const std::string& hash, bool are_stale) {
  policy_generation_.Set(generation);
  policy_stale_.Set(are_stale ? 1 : 0);
  prometheus::Gauge& info = policy_info_.Add({{"hash", hash}});
  info.Set(1);
  if (policy_info_now_ && policy_info_now_ != &info) policy_info_.Remove(policy_info_now_);
  policy_info_now_ = &info;
}

void Metrics::set_certificate(std::chrono::system_clock::time_point not_after, bool is_stale) {
  certificate_expiry_.Set(std::chrono::duration<double>(not_after.time_since_epoch()).count());
  certificate_stale_.Set(is_stale ? 1 : 0);
}

std::string Metrics::text(std::size_t connections) {
  connections_.Set(static_cast<double>(connections));
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, registry_.Collect());
  return std::move(text).str();
}

}  // namespace gpuinfer::webhook
