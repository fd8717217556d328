// CUDA's runtime for a machine without a GPU: as much of it as device.cpp and ptx/launch.cuh call, linked in the place
// of the real one. Memory is the host's, kernels do nothing.
#pragma once

#include <cstdint>

#include "settings.hpp"

namespace gpuinfer::fakes {

/// What the GPUs are, all alike, and from when on they fail.
struct FakeGpu {
  std::int64_t devices = 1;
  std::int64_t driver = 13000;   ///< 0: there is none
  std::int64_t start_error = 0;  ///< what every call answers that needs a driver (cudaError_t)
  std::int64_t capability = 89;
  std::int64_t ptx = 0;  ///< what kernels are compiled from: 80 for compute_80; 0: for the GPU's own capability
  std::int64_t memory = std::int64_t{1} << 30;
  std::int64_t largest_allocation = std::int64_t{1} << 40;    ///< more in one piece: out of memory
  std::int64_t largest_pinned = std::int64_t{1} << 40;        ///< likewise, of the host
  std::int64_t launch_error = 0;                              ///< what a launch answers
  std::int64_t record_error = 0;                              ///< what the end of a recording answers
  std::int64_t launches_until_fault = std::int64_t{1} << 62;  ///< kernels before the one that reads where it may not
};

/// The variable of the environment that a program's GPU is described by, in Settings; names are those of FakeGpu.
inline constexpr const char* kFakeGpuVariable = "GPUINFER_FAKE_GPU";

/// The GPU that is there. A test may put another in its place; then nothing has failed yet.
void set_fake_gpu(const FakeGpu& gpu);
FakeGpu fake_gpu(const Settings& settings);

/// Bytes that are allocated on it at present.
std::int64_t allocated_bytes();

}  // namespace gpuinfer::fakes
