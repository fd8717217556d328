// Input for kernels: the same numbers for the same seed.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "runtime/backend/cuda/bfloat16.cuh"

namespace gpuinfer::simt {

class RandomValues {
 public:
  explicit RandomValues(std::uint64_t seed) : random_(seed) {}

  /// Normally distributed.
  std::vector<float> floats(std::int64_t count, float mean = 0, float deviation = 1) {
    std::normal_distribution<float> distribution(mean, deviation);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = distribution(random_);
    return values;
  }

  std::vector<backend::cuda::Bfloat16> bfloat16s(std::int64_t count, float mean = 0, float deviation = 1) {
    std::vector<backend::cuda::Bfloat16> values;
    for (const float value : floats(count, mean, deviation)) values.push_back(backend::cuda::to_bfloat16(value));
    return values;
  }

  /// Uniform in [0, below).
  std::vector<std::int32_t> integers(std::int64_t count, std::int32_t below) {
    std::uniform_int_distribution<std::int32_t> distribution(0, below - 1);
    std::vector<std::int32_t> values(static_cast<std::size_t>(count));
    for (std::int32_t& value : values) value = distribution(random_);
    return values;
  }

  std::vector<std::uint8_t> bytes(std::int64_t count, std::int32_t from = 0, std::int32_t below = 256) {
    std::vector<std::uint8_t> values;
    for (const std::int32_t value : integers(count, below - from))
      values.push_back(static_cast<std::uint8_t>(from + value));
    return values;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace gpuinfer::simt
