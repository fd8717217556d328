// A run of 32 quantised elements, unpacked: what its bits mean.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/model/tensor.hpp"

namespace gpuinfer::model {

/// Elements of a row that are unpacked together. A block of every quantised type is made of whole runs of them: a
/// single one, or eight of the K types.
inline constexpr std::int64_t kQuantizedBlockElements = 32;

/// Element i is scales[i / 16] · values[i] + minimum. The two scales differ in Q6_K only.
struct QuantizedBlock {
  std::array<float, 2> scales{};
  float minimum = 0;
  /// Q4: 0..15 (Q4_0 with a minimum of -8 scales); Q5: 0..31 (Q5_0 with a minimum of -16 scales); Q6_K: -32..31; Q8_0:
  /// -128..127; MXFP4: twice the elements' values, -12..12.
  std::array<std::int8_t, kQuantizedBlockElements> values;
};

/// Twice what the sixteen codes of E2M1 stand for (OCP Microscaling Formats 1.0).
alignas(16) inline constexpr std::array<std::int8_t, 16> kDoubledE2m1 = {0, 1,  2,  3,  4,  6,  8,  12,
                                                                         0, -1, -2, -3, -4, -6, -8, -12};

/// Run `run` of the block at `bytes`; `type` is one of ggml's. Formats: ggml-common.h.
QuantizedBlock unpack_block(DataType type, const std::byte* bytes, std::int64_t run = 0);

/// The 16 bytes of a kMxfp4 block with its scale, 2^(scale - 127). The scale 255 is NaN.
QuantizedBlock unpack_mxfp4_block(const std::byte* bytes, std::byte scale);

}  // namespace gpuinfer::model
