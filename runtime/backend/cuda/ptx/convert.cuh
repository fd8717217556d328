// Conversions between number formats.
#pragma once

#include <bit>
#include <cstdint>

#include "runtime/backend/cuda/ptx/kernel.cuh"

namespace gpuinfer::backend::cuda::ptx {

/// The bfloat16 nearest to `value`, the even one of two; NaN for NaN (PTX ISA: cvt.rn.bf16.f32).
GPU_DEVICE std::uint16_t to_bfloat16_bits(float value) {
#ifdef __CUDACC__
  std::uint16_t bits = 0;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
#else
  if (value != value) return 0x7FFF;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t half_unit = 0x7FFFU + ((bits >> 16) & 1U);
  return static_cast<std::uint16_t>((bits + half_unit) >> 16);
#endif
}

/// The products of two pairs of bfloat16, each in a word, rounded to bfloat16 (PTX ISA: fma.rn.bf16x2, to which minus
/// zero is added; sm_80 has no mul).
GPU_DEVICE std::uint32_t multiply_bfloat16_pairs(std::uint32_t a, std::uint32_t b) {
#ifdef __CUDACC__
  std::uint32_t products = 0;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(products) : "r"(a), "r"(b), "r"(0x80008000U));
  return products;
#else
  const auto product = [&](unsigned shift) {
    const auto factor = [&](std::uint32_t pair) { return std::bit_cast<float>(pair >> shift << 16); };
    return std::uint32_t{to_bfloat16_bits(factor(a) * factor(b))} << shift;
  };
  return product(0) | product(16);
#endif
}

}  // namespace gpuinfer::backend::cuda::ptx
