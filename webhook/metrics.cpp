#include "webhook/metrics.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace gpuinfer::webhook {

namespace {

const std::string kPrefix = "gpuinfer_webhook_";

Metric counter(const std::string& name, const std::string& help) {
  return {Metric::Type::kCounter, kPrefix + name, help};
}

Metric gauge(const std::string& name, const std::string& help) { return {Metric::Type::kGauge, kPrefix + name, help}; }

/// A label has few values, whatever a caller sends.
std::string kind_label(const std::string& kind) {
  static constexpr std::array<std::string_view, 8> kKinds = {
      "Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "LeaderWorkerSet"};
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end() ? kind : "other";
}

const char* result_label(bool succeeded) { return succeeded ? "success" : "failure"; }

}  // namespace

Metrics::Metrics()
    : reviews_(counter("reviews_total", "Admission reviews by kind of object and outcome.")),
      actions_(counter("policy_actions_total", "Changes made, by policy.")),
      bad_requests_(counter("bad_requests_total", "Requests that were no admission review, by reason.")),
      ended_connections_(counter("ended_connections_total", "HTTPS connections by how they ended.")),
      policy_reloads_(counter("policy_reloads_total",
                              "Changed policy documents; after a failure the last good ones stay in force.")),
      certificate_reloads_(counter("certificate_reloads_total",
                                   "Changed certificates; after a failure the last good one stays in use.")),
      duration_(kPrefix + "review_duration_seconds", "Time from the last byte of a request to its answer.",
                {0.00005, 0.0001, 0.00015, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1}),
      patch_bytes_(kPrefix + "patch_bytes", "Size of the JSON patches, before base64.",
                   {256, 512, 1024, 2048, 4096, 16384, 65536}),
      connections_(gauge("connections", "Open HTTPS connections.")),
      policy_generation_(
          gauge("policy_generation", "Counts the policy documents that have been in force since the start.")),
      policy_stale_(
          gauge("policy_stale", "Is 1 while the newest policy documents have an error and older ones are in force.")),
      policy_info_(gauge("policy_info", "Always 1; the label hash tells which documents are in force.")),
      certificate_expiry_(
          gauge("certificate_expiry_timestamp_seconds", "When the certificate in use expires, in seconds since 1970.")),
      certificate_stale_(
          gauge("certificate_stale", "Is 1 while the newest certificate is not usable and an older one is in use.")) {
  // A counter that does not exist until the first failure cannot be alerted on.
  for (const char* reason : {"path", "method", "content_type", "malformed", "malformed_http", "plain_http",
                             "header_too_large", "too_large", "timeout", "busy", "failed"}) {
    bad_requests_.add({{"reason", reason}}, 0);
  }
  for (const char* how : {"closed", "idle", "timeout", "evicted", "handshake"}) {
    ended_connections_.add({{"how", how}}, 0);
  }
  for (const bool succeeded : {true, false}) {
    policy_reloads_.add({{"result", result_label(succeeded)}}, 0);
    certificate_reloads_.add({{"result", result_label(succeeded)}}, 0);
  }
}

void Metrics::count_review(const AdmissionResult& result, std::chrono::duration<double> seconds) {
  const policies::Injection& injection = result.injection;
  const std::lock_guard lock(mutex_);
  reviews_.add({{"kind", kind_label(result.kind)}, {"outcome", name(injection.outcome)}});
  for (const policies::Action& action : injection.actions) actions_.add({{"policy", action.policy}});
  duration_.observe(seconds.count());
  if (result.patch_bytes > 0) patch_bytes_.observe(static_cast<double>(result.patch_bytes));
}

void Metrics::count_bad_request(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  bad_requests_.add({{"reason", reason}});
}

void Metrics::count_ended_connection(const std::string& how) {
  const std::lock_guard lock(mutex_);
  ended_connections_.add({{"how", how}});
}

void Metrics::count_policy_reload(bool succeeded) {
  const std::lock_guard lock(mutex_);
  policy_reloads_.add({{"result", result_label(succeeded)}});
}

void Metrics::count_certificate_reload(bool succeeded) {
  const std::lock_guard lock(mutex_);
  certificate_reloads_.add({{"result", result_label(succeeded)}});
}

void Metrics::set_policies(int generation, const std::string& hash, bool are_stale) {
  const std::lock_guard lock(mutex_);
  policy_generation_.set({}, generation);
  policy_stale_.set({}, are_stale ? 1 : 0);
  policy_info_.clear();  // one hash is in force at a time
  policy_info_.set({{"hash", hash}}, 1);
}

void Metrics::set_certificate(std::chrono::system_clock::time_point not_after, bool is_stale) {
  const std::lock_guard lock(mutex_);
  certificate_expiry_.set({}, std::chrono::duration<double>(not_after.time_since_epoch()).count());
  certificate_stale_.set({}, is_stale ? 1 : 0);
}

std::string Metrics::text(std::size_t connections) {
  const std::lock_guard lock(mutex_);
  connections_.set({}, static_cast<double>(connections));
  std::string text;
  for (const Metric* metric :
       {&reviews_, &actions_, &bad_requests_, &ended_connections_, &policy_reloads_, &certificate_reloads_}) {
    metric->write(text);
  }
  duration_.write(text);
  patch_bytes_.write(text);
  for (const Metric* metric :
       {&connections_, &policy_generation_, &policy_stale_, &policy_info_, &certificate_expiry_, &certificate_stale_}) {
    metric->write(text);
  }
  return text;
}

}  // namespace gpuinfer::webhook
