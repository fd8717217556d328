#include "runtime/server/metrics.hpp"

#include <prometheus/text_serializer.h>

#include "runtime/backend/backend.hpp"

namespace gpuinfer::server {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

// vLLM's, with finer ones below 10 ms where a token takes that long.
const Buckets kFirstTokenSeconds = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                                    1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
const Buckets kInterTokenSeconds = {.001, .002, .003, .005, .0075, .01, .025, .05, .075, .1, .15, .2,
                                    .3,   .4,   .5,   .75,  1,     2.5, 5,    7.5, 10,   20, 40,  80};
const Buckets kRequestSeconds = {.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
const Buckets kTokens = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};
const Buckets kChoices = {1, 2, 5, 10, 20};
const Buckets kStepTokens = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};

double seconds(engine::Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Metrics::Metrics(const std::string& model_name)
    : labels_{{"model_name", model_name}, {"engine", "0"}},
      load_bytes_(gauge("gpuinfer_model_load_bytes", "Bytes of the model's weights that have been loaded.")),
      load_total_bytes_(gauge("gpuinfer_model_load_total_bytes", "Bytes of the model's weights; 0 until known.")),
      load_seconds_(gauge("gpuinfer_model_load_seconds", "How long the model has been loading, or took to load.")),
      load_wait_seconds_(gauge("gpuinfer_model_load_storage_wait_seconds",
                               "Of that, the time in which nothing but waiting for the storage could be done; 0 where "
                               "files are mapped.")),
      requests_running_(gauge("vllm:num_requests_running", "Requests that are in the batch.")),
      requests_waiting_(gauge("vllm:num_requests_waiting", "Requests that wait to enter the batch.")),
      kv_cache_usage_(gauge("vllm:kv_cache_usage_perc", "Share of the KV cache that is in use, 0 to 1.")),
      cache_config_(prometheus::BuildGauge()
                        .Name("vllm:cache_config_info")
                        .Help("The KV cache: tokens in a page, and pages.")
                        .Register(registry_)),
      prompt_tokens_(counter("vllm:prompt_tokens_total", "Tokens of prompts, those from the prefix cache included.")),
      generation_tokens_(counter("vllm:generation_tokens_total", "Tokens generated.")),
      cached_tokens_(counter("vllm:prompt_tokens_cached_total", "Tokens of prompts that the prefix cache had.")),
      prefix_queries_(counter("vllm:prefix_cache_queries_total", "Tokens that the prefix cache was asked for.")),
      prefix_hits_(counter("vllm:prefix_cache_hits_total", "Tokens that the prefix cache had.")),
      preemptions_(counter("vllm:num_preemptions_total", "Requests that lost their pages to older ones.")),
      request_success_(prometheus::BuildCounter()
                           .Name("vllm:request_success_total")
                           .Help("Requests that ended, by reason: stop, length, abort (the client left), error.")
                           .Register(registry_)),
      iteration_tokens_(histogram("vllm:iteration_tokens_total", "Tokens in one step.", kStepTokens)),
      time_to_first_token_(histogram("vllm:time_to_first_token_seconds", "From a request's arrival to its first token.",
                                     kFirstTokenSeconds)),
      inter_token_latency_(
          histogram("vllm:inter_token_latency_seconds", "Between two tokens of a request.", kInterTokenSeconds)),
      time_per_output_token_(histogram("vllm:request_time_per_output_token_seconds",
                                       "Mean time between the tokens of a request.", kInterTokenSeconds)),
      e2e_latency_(histogram("vllm:e2e_request_latency_seconds", "From a request's arrival to its last token.",
                             kRequestSeconds)),
      queue_time_(
          histogram("vllm:request_queue_time_seconds", "From a request's arrival to its first step.", kRequestSeconds)),
      inference_time_(histogram("vllm:request_inference_time_seconds", "From a request's first step to its last token.",
                                kRequestSeconds)),
      prefill_time_(histogram("vllm:request_prefill_time_seconds", "From a request's first step to its first token.",
                              kRequestSeconds)),
      decode_time_(
          histogram("vllm:request_decode_time_seconds", "From a request's first token to its last.", kRequestSeconds)),
      request_prompt_tokens_(histogram("vllm:request_prompt_tokens", "Tokens in a prompt.", kTokens)),
      request_generation_tokens_(
          histogram("vllm:request_generation_tokens", "Tokens generated for a request.", kTokens)),
      request_max_tokens_(histogram("vllm:request_params_max_tokens", "max_tokens of a request.", kTokens)),
      request_choices_(histogram("vllm:request_params_n", "Answers that a request asks for.", kChoices)) {
  // Present from the start, so that a rate over the first request is right.
  for (const char* reason : {"stop", "length", "abort", "error"}) {
    Labels labels = labels_;
    labels["finished_reason"] = reason;
    request_success_.Add(labels);
  }
}

void Metrics::on_step(const engine::StepReport& report) {
  iteration_tokens_.Observe(static_cast<double>(report.tokens));
  prompt_tokens_.Increment(static_cast<double>(report.prompt_tokens));
  generation_tokens_.Increment(static_cast<double>(report.generated_tokens));
  cached_tokens_.Increment(static_cast<double>(report.prefix_hits));
  prefix_queries_.Increment(static_cast<double>(report.prefix_queries));
  prefix_hits_.Increment(static_cast<double>(report.prefix_hits));
  preemptions_.Increment(static_cast<double>(report.preempted));
}

void Metrics::on_token(engine::Clock::duration since_last) { inter_token_latency_.Observe(seconds(since_last)); }

void Metrics::on_finish(const RequestRecord& record) {
  Labels labels = labels_;
  labels["finished_reason"] = record.finished_reason;
  request_success_.Add(labels).Increment();
  request_prompt_tokens_.Observe(static_cast<double>(record.prompt_tokens));
  request_generation_tokens_.Observe(static_cast<double>(record.completion_tokens));
  request_max_tokens_.Observe(static_cast<double>(record.max_tokens));
  if (!record.scheduled) return;
  queue_time_.Observe(seconds(*record.scheduled - record.arrived));
  if (!record.first_token) return;
  time_to_first_token_.Observe(seconds(*record.first_token - record.arrived));
  prefill_time_.Observe(seconds(*record.first_token - *record.scheduled));
  decode_time_.Observe(seconds(record.last_token - *record.first_token));
  inference_time_.Observe(seconds(record.last_token - *record.scheduled));
  e2e_latency_.Observe(seconds(record.last_token - record.arrived));
  if (record.completion_tokens < 2) return;
  time_per_output_token_.Observe(seconds(record.last_token - *record.first_token) /
                                 static_cast<double>(record.completion_tokens - 1));
}

void Metrics::on_request(std::int64_t choices) { request_choices_.Observe(static_cast<double>(choices)); }

std::string Metrics::text(const model::LoadProgress& loading, const engine::Engine* engine) {
  load_bytes_.Set(static_cast<double>(loading.loaded_bytes));
  load_total_bytes_.Set(static_cast<double>(loading.total_bytes));
  load_seconds_.Set(seconds(loading.elapsed()));
  load_wait_seconds_.Set(seconds(loading.waiting));
  if (engine) {
    const engine::EngineStatistics statistics = engine->statistics();
    requests_running_.Set(static_cast<double>(statistics.running));
    requests_waiting_.Set(static_cast<double>(statistics.waiting));
    kv_cache_usage_.Set(statistics.kv_usage);
    Labels labels = labels_;
    labels["block_size"] = std::to_string(backend::kPageTokens);
    labels["num_gpu_blocks"] = std::to_string(engine->backend().kv_groups().front().pages);
    cache_config_.Add(labels).Set(1);
  }
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

prometheus::Gauge& Metrics::gauge(const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add(labels_);
}

prometheus::Counter& Metrics::counter(const std::string& name, const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add(labels_);
}

prometheus::Histogram& Metrics::histogram(const std::string& name, const std::string& help, const Buckets& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_).Add(labels_, buckets);
}

}  // namespace gpuinfer::server
