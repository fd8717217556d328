// How a kernel begins while the one before it still runs (CUDA programming guide, "programmatic dependent launch"; PTX
// ISA: griddepcontrol, sm_90).
#pragma once

#include "runtime/backend/cuda/ptx/kernel.cuh"

namespace gpuinfer::backend::cuda::ptx {

#ifdef __CUDACC__

/// Goes on when the kernel before this one has ended (and so all before that, for which it waited here too) and what it
/// wrote can be read; then lets the next kernel's blocks come this far, where there is room for them. Every kernel
/// calls it in each of its threads before anything but prefetch_line().
GPU_DEVICE void wait_for_previous_launch() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// Begins to bring the line of the L2 cache that `address` lies in (PTX ISA: prefetch.global.L2).
GPU_DEVICE void prefetch_line(const void* address) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(__cvta_generic_to_global(address)));
}

#else

GPU_DEVICE void wait_for_previous_launch(simt::Place place = simt::Place::current()) {
  simt::wait_for_previous_launch(place);
}

GPU_DEVICE void prefetch_line(const void* address) { simt::prefetch(address); }

#endif

inline constexpr int kLineBytes = 128;

}  // namespace gpuinfer::backend::cuda::ptx
