// What kernels do with bfloat16: they compute in float32.
#pragma once

#include <bit>
#include <cstdint>

#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/ptx/convert.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"

namespace gpuinfer::backend::cuda {

/// Exact.
GPU_DEVICE float to_float(Bfloat16 value) { return std::bit_cast<float>(std::uint32_t{value.bits} << 16); }

/// To the nearest, to the even one of two.
GPU_DEVICE Bfloat16 to_bfloat16(float value) { return {ptx::to_bfloat16_bits(value)}; }

}  // namespace gpuinfer::backend::cuda
