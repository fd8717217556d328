// Functions of a float32 for which the GPU has code of its own.
#pragma once

#include <cmath>
#include <limits>
#include <numbers>

#include "runtime/backend/cuda/ptx/kernel.cuh"

namespace gpuinfer::backend::cuda::ptx {

struct SineCosine {
  float sine;
  float cosine;
};

/// Of an angle in turns, exact to the last bits of a float32 (CUDA's sincospif).
GPU_DEVICE SineCosine sine_cosine_of_turns(float turns) {
#ifdef __CUDACC__
  SineCosine result;
  sincospif(2 * turns, &result.sine, &result.cosine);
  return result;
#else
  const double angle = 2 * std::numbers::pi * static_cast<double>(turns);
  return {static_cast<float>(std::sin(angle)), static_cast<float>(std::cos(angle))};
#endif
}

/// a + b. Never fused with the product that one of them is: the same bits in every kernel (CUDA's __fadd_rn).
GPU_DEVICE float add_unfused(float a, float b) {
#ifdef __CUDACC__
  return __fadd_rn(a, b);
#else
  return a + b;
#endif
}

/// 2^exponent to the last two bits of a float32; 0 for -∞ and where the power is no normal number
/// (PTX ISA: ex2.approx.ftz).
GPU_DEVICE float power_of_two(float exponent) {
#ifdef __CUDACC__
  float power = 0;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(exponent));
  return power;
#else
  const float power = std::exp2(exponent);
  return power < std::numeric_limits<float>::min() ? 0 : power;
#endif
}

}  // namespace gpuinfer::backend::cuda::ptx
