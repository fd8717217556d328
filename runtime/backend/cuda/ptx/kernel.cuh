// What a kernel is made of, on a GPU and under tests/simt: its declaration, its place in the grid, shared memory,
// barriers.
#pragma once

#include <cstddef>

#include "runtime/backend/cuda/ptx/launch.cuh"

#ifdef __CUDACC__

/// A kernel that is launched with `threads` threads in a block: GPU_KERNEL(256) name(float* x) {…}
#define GPU_KERNEL(threads) __global__ void __launch_bounds__(threads)
/// The same, of which a multiprocessor runs at least `blocks` blocks at a time: a thread may use as many registers as
/// that leaves it.
#define GPU_KERNEL_OF_BLOCKS(threads, blocks) __global__ void __launch_bounds__(threads, blocks)
/// A function that kernels call.
#define GPU_DEVICE __device__ __forceinline__
/// Before a loop: its body is written out as often as it runs, so that arrays indexed in it can stay in registers.
#define GPU_UNROLL _Pragma("unroll")
/// Before a loop: its body stays one, so that its rounds use the same registers.
#define GPU_ROLLED _Pragma("unroll 1")
/// `type name[count]`, one for the block, aligned to 16 bytes.
#define GPU_SHARED(type, name, count) __shared__ alignas(16) type name[count]

#else

#include "runtime/backend/cuda/ptx/host_twin.hpp"

#define GPU_KERNEL(threads) inline void
#define GPU_KERNEL_OF_BLOCKS(threads, blocks) inline void
#define GPU_DEVICE inline
#define GPU_UNROLL
#define GPU_ROLLED
#define GPU_SHARED(type, name, count)                                                              \
  type* const name = [] {                                                                          \
    static const char variable = 0;                                                                \
    return static_cast<type*>(::gpuinfer::simt::shared_memory(&variable, (count) * sizeof(type))); \
  }()

#endif

namespace gpuinfer::backend::cuda::ptx {

inline constexpr int kWarpLanes = 32;

#ifdef __CUDACC__

GPU_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
GPU_DEVICE int block_threads() { return static_cast<int>(blockDim.x); }
GPU_DEVICE int block_x() { return static_cast<int>(blockIdx.x); }
GPU_DEVICE int block_y() { return static_cast<int>(blockIdx.y); }
GPU_DEVICE int block_z() { return static_cast<int>(blockIdx.z); }

/// All threads of the block come here before any goes on, and see what the others wrote.
GPU_DEVICE void block_barrier() { __syncthreads(); }

/// As much as the launch asked for, aligned to 16 bytes.
template <typename T>
GPU_DEVICE T* dynamic_shared() {
  extern __shared__ float4 dynamic_shared_memory[];
  return reinterpret_cast<T*>(dynamic_shared_memory);
}

#else

GPU_DEVICE int thread_index() { return static_cast<int>(simt::thread_index()); }
GPU_DEVICE int block_threads() { return static_cast<int>(simt::block_threads()); }
GPU_DEVICE int block_x() { return static_cast<int>(simt::block_index().x); }
GPU_DEVICE int block_y() { return static_cast<int>(simt::block_index().y); }
GPU_DEVICE int block_z() { return static_cast<int>(simt::block_index().z); }

GPU_DEVICE void block_barrier(simt::Place place = simt::Place::current()) { simt::block_barrier(place); }

template <typename T>
GPU_DEVICE T* dynamic_shared() {
  return static_cast<T*>(simt::dynamic_shared_memory());
}

#endif

GPU_DEVICE int lane_index() { return thread_index() % kWarpLanes; }
GPU_DEVICE int warp_index() { return thread_index() / kWarpLanes; }
GPU_DEVICE int block_warps() { return block_threads() / kWarpLanes; }

}  // namespace gpuinfer::backend::cuda::ptx
