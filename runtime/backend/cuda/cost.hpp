// What a launch costs a GPU at least: the yardstick of its speed.
#pragma once

#include <cstdint>

namespace gpuinfer::backend::cuda {

struct Cost {
  /// Read from and written to the GPU's memory, each byte once.
  std::int64_t bytes = 0;
  /// Additions and multiplications.
  std::int64_t flops = 0;

  bool operator==(const Cost&) const = default;
};

}  // namespace gpuinfer::backend::cuda
