#include "runtime/server/model_loader.hpp"

#include <algorithm>
#include <filesystem>
#include <future>
#include <utility>

#include "runtime/backend/kv_plan.hpp"
#include "runtime/backend/select.hpp"
#include "runtime/model/model.hpp"
#include "runtime/server/generation_config.hpp"

namespace gpuinfer::server {

std::int64_t default_kv_cache_tokens(const model::ModelConfig& config, std::int64_t max_model_len) {
  constexpr std::int64_t kSequences = 8;
  constexpr std::int64_t kMaxBytes = std::int64_t{1} << 30;
  const std::int64_t full_layers =
      std::ranges::count_if(config.layers, [](const auto& layer) { return !layer.sliding_window; });
  const std::int64_t bytes_per_token = 2 * std::max<std::int64_t>(1, full_layers) * config.num_key_value_heads *
                                       config.head_dim * std::int64_t{sizeof(float)};
  return std::max(max_model_len, std::min(kSequences * max_model_len, kMaxBytes / bytes_per_token));
}

backend::KvPlan plan_kv_cache(const model::ModelConfig& config, const ServerFlags& flags) {
  constexpr std::int64_t kMostTokens = backend::kMostPages * backend::kPageTokens;
  const std::int64_t longest = flags.max_model_len ? flags.max_model_len : config.max_position_embeddings;
  backend::KvPlan plan{.least_tokens = longest,
                       .usual_tokens = default_kv_cache_tokens(config, longest),
                       .most_tokens = longest > kMostTokens / flags.limits.max_running
                                          ? kMostTokens
                                          : flags.limits.max_running * longest,
                       .sequences = flags.limits.max_running,
                       .step_tokens = flags.limits.max_batch_tokens};
  if (flags.kv_cache_tokens) {
    plan.least_tokens = plan.usual_tokens = plan.most_tokens = flags.kv_cache_tokens;
    plan.setting = "--kv-cache-tokens";
  }
  return plan;
}

namespace {

/// Weights on their way to a GPU pass through this process' memory once; those for a CPU are used in the page cache.
/// The reads start long before it is known whether the GPU can be used, and are in vain where it cannot.
model::Reading how_to_read(const std::string& backend) {
  const bool has_gpu = std::filesystem::exists("/dev/nvidiactl");
  return backend == "cuda" || (backend == "auto" && has_gpu) ? model::Reading::kStreamed : model::Reading::kWhole;
}

}  // namespace

std::shared_ptr<const ServedModel> load_served_model(const ServerFlags& flags,
                                                     std::function<void(const engine::StepReport&)> on_step,
                                                     std::shared_ptr<model::LoadProgress> progress) {
  const model::ModelLocation location = model::find_model(flags.model);
  GenerationConfig generation = read_generation_config(location);
  auto served = std::make_shared<ServedModel>(
      ServedModel{.names = flags.served_model_names,
                  .text = std::nullopt,
                  .stop_ids = std::move(generation.stop_ids),
                  .sampling_defaults = generation.sampling,
                  .pooling = flags.pooling == "mean" ? engine::Pooling::kMean : engine::Pooling::kLast,
                  .request_timeout = std::chrono::milliseconds(1000 * flags.request_timeout_seconds),
                  .engine = nullptr});
  engine::EngineOptions options{.max_model_len = flags.max_model_len,
                                .limits = flags.limits,
                                .max_waiting = flags.max_queue,
                                .reuse_prefixes = !flags.no_prefix_caching,
                                .on_step = std::move(on_step)};
  // A vocabulary of 200,000 words takes one core a third of a second, and the weights seldom keep all of them busy.
  std::future<ModelText> text;
  if (!flags.skip_tokenizer_init) {
    text = std::async(std::launch::async, [&location] { return load_model_text(location); });
  }
  auto model = std::make_shared<const model::Model>(
      model::load_model(location, how_to_read(flags.backend), std::move(progress)));
  const backend::KvPlan kv_plan = plan_kv_cache(model->config, flags);
  auto backend =
      backend::make_backend(flags.backend, std::move(model), kv_plan, flags.threads, flags.tensor_parallel_size);
  if (text.valid()) {
    served->text = text.get();
    served->stop_ids = served->text->stop_ids;
    options.generated_vocab_size = static_cast<std::int64_t>(served->text->tokenizer.vocab_size());
  }
  served->engine = std::make_unique<engine::Engine>(std::move(backend), std::move(options));
  return served;
}

}  // namespace gpuinfer::server
