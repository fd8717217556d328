// RoPE as GGUF metadata describes it.
#pragma once

#include <cstdint>

#include "runtime/model/gguf_settings.hpp"
#include "runtime/model/model_config.hpp"

namespace gpuinfer::model {

/// What counts where the file does not say.
struct GgufRopeDefaults {
  double theta = 10000;
  /// YaRN's bounds are rounded to whole pairs; no key says so.
  bool truncates_yarn = true;
};

/// The RoPE of "rope.freq_base" and "rope.scaling.…". Throws Error.
Rope parse_gguf_rope(const GgufSettings& settings, std::int64_t head_dim, const GgufRopeDefaults& defaults = {});

/// Plain RoPE.
Rope make_rope(double theta, std::int64_t head_dim);

}  // namespace gpuinfer::model
