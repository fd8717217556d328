// gpt-oss as far as its cost goes: settings and shapes, no weights.
#pragma once

#include <cstdint>

#include "runtime/model/model.hpp"

namespace gpuinfer::bench {

/// openai/gpt-oss-20b has 24 layers and 32 experts, 120b 36 and 128 (their config.json). upload_model() of this program
/// gives it weights that are nowhere.
model::Model gpt_oss_shape(std::int64_t layers, std::int64_t experts);

}  // namespace gpuinfer::bench
