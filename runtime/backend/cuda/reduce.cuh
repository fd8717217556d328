// Sums over a warp or a block, in one fixed order.
#pragma once

#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/warp.cuh"

namespace gpuinfer::backend::cuda {

/// The sum of the lanes' values, float or int, in every lane.
template <typename T>
GPU_DEVICE T warp_sum(T value) {
  for (int step = ptx::kWarpLanes / 2; step > 0; step /= 2) value += ptx::shuffle_xor(value, step);
  return value;
}

/// The sum of the threads' values, in every thread; `partial` is shared memory for a float of each warp. The block may
/// use it again after its next barrier.
GPU_DEVICE float block_sum(float value, float* partial) {
  value = warp_sum(value);
  if (ptx::lane_index() == 0) partial[ptx::warp_index()] = value;
  ptx::block_barrier();
  float sum = 0;
  for (int warp = 0; warp < ptx::block_warps(); ++warp) sum += partial[warp];
  return sum;
}

}  // namespace gpuinfer::backend::cuda
