// Additions by many threads to one place.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/ptx/kernel.cuh"

namespace gpuinfer::backend::cuda::ptx {

/// *to += value, whoever else adds to it: in shared memory, by threads of the block. Integers only, whose sum does not
/// depend on the order.
GPU_DEVICE void atomic_add(std::uint64_t* to, std::uint64_t value) {
#ifdef __CUDACC__
  static_assert(sizeof(unsigned long long) == sizeof(std::uint64_t));
  atomicAdd(reinterpret_cast<unsigned long long*>(to), value);
#else
  const simt::Atomic atomic;
  *to += value;
#endif
}

}  // namespace gpuinfer::backend::cuda::ptx
