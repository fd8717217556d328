// From a path and flags to a model that answers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "runtime/backend/kv_plan.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/model/load_progress.hpp"
#include "runtime/model/model_config.hpp"
#include "runtime/server/served_model.hpp"
#include "runtime/server/server_flags.hpp"

namespace gpuinfer::server {

/// Tokens that a KV cache in the host's memory holds where the user does not say: eight sequences of `max_model_len`,
/// but no more than 1 GiB in layers that see everything (its memory is taken only as it is used), and at least one
/// sequence.
std::int64_t default_kv_cache_tokens(const model::ModelConfig& config, std::int64_t max_model_len);

/// From one sequence of the longest to as many of them as run at once, or as many tokens as the flags say.
backend::KvPlan plan_kv_cache(const model::ModelConfig& config, const ServerFlags& flags);

/// Reads weights, tokenizer and chat template, and starts the engine. Throws Error.
std::shared_ptr<const ServedModel> load_served_model(
    const ServerFlags& flags, std::function<void(const engine::StepReport&)> on_step,
    std::shared_ptr<model::LoadProgress> progress = std::make_shared<model::LoadProgress>());

}  // namespace gpuinfer::server
