// The sampling parameters that a model's makers recommend, and how its replies end.
#pragma once

#include <vector>

#include "runtime/engine/sampling.hpp"
#include "runtime/model/model.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::server {

struct GenerationConfig {
  engine::SamplingParams sampling = {};
  /// The tokens that end a reply.
  std::vector<TokenId> stop_ids = {};
};

/// generation_config.json of a Hugging Face folder: temperature, top_p, top_k, min_p,
/// eos_token_id. Temperature 1, no limits and no stops where there is no such file. Throws Error naming the file and
/// the setting that is wrong.
GenerationConfig read_generation_config(const model::ModelLocation& location);

}  // namespace gpuinfer::server
