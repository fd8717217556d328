#include "runtime/server/model_loader.hpp"

#include <algorithm>
#include <utility>

#include "runtime/backend/select.hpp"
#include "runtime/engine/kv_pages.hpp"
#include "runtime/model/model.hpp"
#include "runtime/server/generation_config.hpp"

namespace gpuinfer::server {

std::int64_t default_kv_cache_tokens(const model::ModelConfig& config, std::int64_t max_model_len) {
  constexpr std::int64_t kSequences = 8;
  constexpr std::int64_t kMaxBytes = std::int64_t{1} << 30;
  const std::int64_t bytes_per_token =
      2 * config.num_hidden_layers() * config.num_key_value_heads * config.head_dim * std::int64_t{sizeof(float)};
  return std::max(max_model_len, std::min(kSequences * max_model_len, kMaxBytes / bytes_per_token));
}

std::shared_ptr<const ServedModel> load_served_model(const ServerFlags& flags,
                                                     std::function<void(const engine::StepReport&)> on_step) {
  const model::ModelLocation location = model::find_model(flags.model);
  auto served = std::make_shared<ServedModel>(ServedModel{.name = flags.served_model_name,
                                                          .text = load_model_text(location),
                                                          .sampling_defaults = read_sampling_defaults(location),
                                                          .engine = nullptr});
  auto model = std::make_shared<const model::Model>(model::load_model(location));
  const std::int64_t max_model_len = flags.max_model_len ? flags.max_model_len : model->config.max_position_embeddings;
  const std::int64_t kv_cache_tokens =
      flags.kv_cache_tokens ? flags.kv_cache_tokens : default_kv_cache_tokens(model->config, max_model_len);
  served->engine = std::make_unique<engine::Engine>(
      backend::make_backend(flags.backend, std::move(model), engine::pages_for(kv_cache_tokens), flags.threads),
      engine::EngineOptions{.max_model_len = flags.max_model_len,
                            .limits = flags.limits,
                            .max_waiting = flags.max_queue,
                            .on_step = std::move(on_step)});
  return served;
}

}  // namespace gpuinfer::server
