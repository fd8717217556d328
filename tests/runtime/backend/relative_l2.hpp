// How far results are from what they should be.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

namespace gpuinfer::backend {

/// |actual - expected| / |expected|, both of the same size.
inline double relative_l2(std::span<const float> actual, std::span<const float> expected) {
  double difference = 0;
  double total = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(static_cast<double>(actual[i]) - static_cast<double>(expected[i]), 2);
    total += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(difference / total);
}

}  // namespace gpuinfer::backend
