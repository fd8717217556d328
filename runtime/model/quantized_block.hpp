// One block of a quantised tensor, unpacked: what its bits mean.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/model/tensor.hpp"

namespace gpuinfer::model {

/// Elements of a row that share a scale, in every quantised type that we read.
inline constexpr std::int64_t kQuantizedBlockElements = 32;

/// Element i is scale · values[i] + minimum. Q4_0 and Q4_1 have values 0..15 (for Q4_0 minimum is -8·scale), Q8_0 has
/// values -128..127 and no minimum.
struct QuantizedBlock {
  float scale = 0;
  float minimum = 0;
  std::array<std::int8_t, kQuantizedBlockElements> values;
};

/// The block at `bytes`; `type` is a quantised one. Formats: ggml-common.h.
QuantizedBlock unpack_block(DataType type, const std::byte* bytes);

}  // namespace gpuinfer::model
