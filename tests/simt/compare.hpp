// How far a kernel's result is from its reference in double precision.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "runtime/backend/cuda/bfloat16.cuh"

namespace gpuinfer::simt {

inline double to_double(float value) { return static_cast<double>(value); }
inline double to_double(backend::cuda::Bfloat16 value) { return static_cast<double>(backend::cuda::to_float(value)); }

/// Of a result in float32 that sums some thousand products.
inline constexpr double kFloatTolerance = 2e-5;
/// Of a result rounded to the eight bits of a bfloat16's fraction.
inline constexpr double kBfloat16Tolerance = 1.0 / 256 + kFloatTolerance;

/// The largest |result - expected| / max(1, |expected|); infinity where a result is NaN or missing.
template <typename T>
double largest_error(const std::vector<T>& results, const std::vector<double>& expected) {
  if (results.size() != expected.size()) return INFINITY;
  double largest = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const double error = std::abs(to_double(results[i]) - expected[i]) / std::max(1.0, std::abs(expected[i]));
    if (std::isnan(error)) return INFINITY;
    largest = std::max(largest, error);
  }
  return largest;
}

}  // namespace gpuinfer::simt
