// RoPE as config.json describes it.
#pragma once

#include <cstdint>

#include "runtime/model/model_config.hpp"
#include "runtime/model/settings.hpp"

namespace gpuinfer::model {

/// The RoPE of an object with rope_type and its settings; `theta` counts where it says none. Throws Error.
Rope parse_rope(const Settings& settings, double theta, std::int64_t head_dim);

/// The RoPE of a model that has one for all layers: `rope_parameters` (transformers 5), or `rope_theta` and
/// `rope_scaling` (transformers 4). Throws Error.
Rope parse_single_rope(const Settings& settings, std::int64_t head_dim);

}  // namespace gpuinfer::model
