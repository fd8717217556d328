// Copies from global to shared memory that go on while the thread computes (PTX ISA: cp.async, sm_80).
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/memory.cuh"

namespace gpuinfer::backend::cuda::ptx {

#ifdef __CUDACC__

/// Begins to copy 16 bytes, past the L1 cache. Both addresses are aligned to 16 bytes. What arrived is seen by the
/// thread itself after its wait, by others after a barrier that follows the wait.
GPU_DEVICE void copy_async_16(void* to_shared, const void* from_global) {
  const auto to = static_cast<std::uint32_t>(__cvta_generic_to_shared(to_shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from_global) : "memory");
}

/// Makes one group of the copies that the thread began since the last group.
GPU_DEVICE void close_copy_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits until at most the thread's last `kPending` groups are under way.
template <int kPending>
GPU_DEVICE void wait_copy_groups() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

#else

GPU_DEVICE void copy_async_16(void* to_shared, const void* from_global) {
  check_alignment(to_shared, 16);
  check_alignment(from_global, 16);
  simt::copy_async(to_shared, from_global);
}

GPU_DEVICE void close_copy_group() { simt::close_copy_group(); }

template <unsigned kPending>
GPU_DEVICE void wait_copy_groups() {
  simt::wait_copy_groups(kPending);
}

#endif

}  // namespace gpuinfer::backend::cuda::ptx
