// What /metrics tells Prometheus, under vLLM's names where it has one so that its dashboards and autoscalers work.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/engine/engine.hpp"
#include "runtime/model/load_progress.hpp"

namespace gpuinfer::server {

/// The life of one answer.
struct RequestRecord {
  engine::Clock::time_point arrived = engine::Clock::now();
  /// Entered its first step.
  std::optional<engine::Clock::time_point> scheduled;
  std::optional<engine::Clock::time_point> first_token;
  engine::Clock::time_point last_token;
  std::int64_t prompt_tokens = 0;
  /// Of these, those that the prefix cache had.
  std::int64_t cached_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::int64_t max_tokens = 0;
  /// "stop" or "length"; "abort" where the client left, "error" where we failed.
  std::string finished_reason = "abort";
};

/// All members may be called by any thread.
class Metrics {
 public:
  explicit Metrics(const std::string& model_name);

  void on_step(const engine::StepReport& report);
  /// A token came this long after the one before it.
  void on_token(engine::Clock::duration since_last);
  /// An answer ended.
  void on_finish(const RequestRecord& record);
  /// A request for so many answers ended.
  void on_request(std::int64_t choices);

  /// The text of /metrics. `engine` is null while the model is loading.
  std::string text(const model::LoadProgress& loading, const engine::Engine* engine);

 private:
  using Labels = prometheus::Labels;

  prometheus::Gauge& gauge(const std::string& name, const std::string& help);
  prometheus::Counter& counter(const std::string& name, const std::string& help);
  prometheus::Histogram& histogram(const std::string& name, const std::string& help,
                                   const prometheus::Histogram::BucketBoundaries& buckets);

  Labels labels_;
  prometheus::Registry registry_;

  prometheus::Gauge& load_bytes_;
  prometheus::Gauge& load_total_bytes_;
  prometheus::Gauge& load_seconds_;
  prometheus::Gauge& load_wait_seconds_;
  prometheus::Gauge& requests_running_;
  prometheus::Gauge& requests_waiting_;
  prometheus::Gauge& kv_cache_usage_;
  prometheus::Family<prometheus::Gauge>& cache_config_;
  prometheus::Counter& prompt_tokens_;
  prometheus::Counter& generation_tokens_;
  prometheus::Counter& cached_tokens_;
  prometheus::Counter& prefix_queries_;
  prometheus::Counter& prefix_hits_;
  prometheus::Counter& preemptions_;
  prometheus::Family<prometheus::Counter>& request_success_;
  prometheus::Histogram& iteration_tokens_;
  prometheus::Histogram& time_to_first_token_;
  prometheus::Histogram& inter_token_latency_;
  prometheus::Histogram& time_per_output_token_;
  prometheus::Histogram& e2e_latency_;
  prometheus::Histogram& queue_time_;
  prometheus::Histogram& inference_time_;
  prometheus::Histogram& prefill_time_;
  prometheus::Histogram& decode_time_;
  prometheus::Histogram& request_prompt_tokens_;
  prometheus::Histogram& request_generation_tokens_;
  prometheus::Histogram& request_max_tokens_;
  prometheus::Histogram& request_choices_;
};

}  // namespace gpuinfer::server
