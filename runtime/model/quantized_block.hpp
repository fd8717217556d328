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
/// values -128..127 and no minimum, MXFP4 twice the elements' values, -12..12, and no minimum.
struct QuantizedBlock {
  float scale = 0;
  float minimum = 0;
  std::array<std::int8_t, kQuantizedBlockElements> values;
};

/// Twice what the sixteen codes of E2M1 stand for (OCP Microscaling Formats 1.0).
alignas(16) inline constexpr std::array<std::int8_t, 16> kDoubledE2m1 = {0, 1,  2,  3,  4,  6,  8,  12,
                                                                         0, -1, -2, -3, -4, -6, -8, -12};

/// The block at `bytes`; `type` is one of ggml's. Formats: ggml-common.h.
QuantizedBlock unpack_block(DataType type, const std::byte* bytes);

/// The 16 bytes of an MXFP4 block with its scale, 2^(scale - 127). The scale 255 is NaN.
QuantizedBlock unpack_mxfp4_block(const std::byte* bytes, std::byte scale);

}  // namespace gpuinfer::model
