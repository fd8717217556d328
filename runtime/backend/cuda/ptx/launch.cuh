// How the host starts a kernel: the only place that does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "base/error.hpp"
#include "runtime/backend/cuda/stream.hpp"

#ifdef __CUDACC__
#include <cuda_runtime.h>
#else
#include <tuple>

#include "runtime/backend/cuda/ptx/host_twin.hpp"
#endif

namespace gpuinfer::backend::cuda::ptx {

/// What a launch says about its blocks.
struct Grid {
  std::int64_t x = 1;
  std::int64_t y = 1;
  std::int64_t z = 1;
  /// In a block: whole warps.
  int threads = 256;
  std::size_t dynamic_shared_bytes = 0;
};

/// Blocks that a launch can have (CUDA programming guide, table of compute capabilities).
inline constexpr std::int64_t kMaximumGridX = 0x7FFFFFFF;
inline constexpr std::int64_t kMaximumGridYZ = 0xFFFF;
/// Shared memory that a launch gets without asking.
inline constexpr std::size_t kDefaultSharedBytes = 48U << 10;

#ifdef __CUDACC__
/// Whether kernels may begin before the one in front of them has ended: `kernel` and all others wait for that one
/// (overlap.cuh) where they were compiled for compute_90 or newer. What counts is the code and not the GPU: on one that
/// is newer than all our machine code, the driver compiles PTX of compute_80, which does not wait.
template <typename Kernel>
bool can_overlap(Kernel* kernel) {
  static const bool can = [&] {
    cudaFuncAttributes code{};
    return cudaFuncGetAttributes(&code, kernel) == cudaSuccess && code.ptxVersion >= 90;
  }();
  return can;
}
#endif

/// Starts `kernel`, which logs and errors call `name`, maybe before the one in front of it has ended (overlap.cuh).
/// Nothing happens where the grid is empty. Throws Error where the driver refuses, std::invalid_argument where no GPU
/// has such a grid.
template <typename... Parameters, typename... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), const Grid& grid, Stream stream, Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  if (grid.x > kMaximumGridX || grid.y > kMaximumGridYZ || grid.z > kMaximumGridYZ || grid.threads % 32 != 0) {
    throw std::invalid_argument(std::string("no GPU has a grid as large as that of ") + name);
  }
#ifdef __CUDACC__
  cudaError_t status = cudaSuccess;
  if (grid.dynamic_shared_bytes > kDefaultSharedBytes) {
    status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(grid.dynamic_shared_bytes));
  }
  if (status == cudaSuccess) {
    cudaLaunchAttribute overlap{};
    overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z));
    config.blockDim = dim3(static_cast<unsigned>(grid.threads));
    config.dynamicSmemBytes = grid.dynamic_shared_bytes;
    config.stream = stream;
    config.attrs = &overlap;
    config.numAttrs = can_overlap(kernel) ? 1 : 0;
    status = cudaLaunchKernelEx(&config, kernel, arguments...);
  }
  if (status != cudaSuccess) {
    static_cast<void>(cudaGetLastError());  // Where it is not sticky, later calls shall not report it.
    throw Error(std::string("the GPU refuses the kernel ") + name + ": " + cudaGetErrorString(status),
                "this gpuinfer needs a GPU of compute capability 8.0 or newer and its driver");
  }
#else
  static_cast<void>(stream);
  simt::launch(name, {static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z)},
               static_cast<unsigned>(grid.threads), grid.dynamic_shared_bytes, std::tuple(arguments...),
               [=] { kernel(arguments...); });
#endif
}

}  // namespace gpuinfer::backend::cuda::ptx
