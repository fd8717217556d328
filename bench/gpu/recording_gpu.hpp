// A GPU that computes nothing: what a backend asks of it is written down, with the cost that the kernels state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/device.hpp"

namespace gpuinfer::bench {

struct Launch {
  std::string kernel;
  backend::cuda::Cost cost;
};

struct Recording {
  std::vector<Launch> launches;
  /// Calls by which the host started them: a graph's launches are one.
  std::int64_t host_launches = 0;
  std::int64_t uploaded_bytes = 0;
  std::int64_t downloaded_bytes = 0;
};

/// What open_device() finds from now on.
void set_device(const backend::cuda::Device& device);

/// What was asked for since the last call.
Recording take_recording();

}  // namespace gpuinfer::bench
