// The 16-bit floating-point format of weights, activations and the KV cache.
#pragma once

#include <bit>
#include <cstdint>

namespace gpuinfer::backend::cuda {

/// The upper half of a float32.
struct Bfloat16 {
  std::uint16_t bits;
};

/// The nearest bfloat16 of a finite number, of two the even one. For the host.
inline Bfloat16 round_to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return {static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)};
}

/// For the host.
inline float widen(Bfloat16 value) { return std::bit_cast<float>(std::uint32_t{value.bits} << 16); }

}  // namespace gpuinfer::backend::cuda
