// The sampling parameters that a model's makers recommend.
#pragma once

#include "runtime/engine/sampling.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::server {

/// generation_config.json of a Hugging Face folder: temperature, top_p, top_k, min_p.
/// Temperature 1 and no limits where there is no such file. Throws Error naming the file and the setting that is wrong.
engine::SamplingParams read_sampling_defaults(const model::ModelLocation& location);

}  // namespace gpuinfer::server
