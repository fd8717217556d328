// A softmax in parts: how two are merged, and how the last one is finished.
#pragma once

#include <cmath>
#include <limits>

#include "runtime/backend/cuda/attention.hpp"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/math.cuh"

namespace gpuinfer::backend::cuda {

inline constexpr float kNoScore = -std::numeric_limits<float>::infinity();
inline constexpr float kLog2E = 1.44269504F;

/// By what the sums of two softmaxes are multiplied before they are added. Several kernels do this and have to agree in
/// every bit, so each fused multiplication is written as one: the compiler has nothing left to decide.
struct Rescale {
  float before;
  float added;

  GPU_DEVICE float operator()(float sum, float added_sum) const { return fmaf(sum, before, added_sum * added); }
};

/// Adds the scores of `added` to `softmax`.
GPU_DEVICE Rescale merge(Softmax& softmax, const Softmax& added) {
  if (added.largest == kNoScore) return {.before = 1, .added = 0};
  const float largest = fmaxf(softmax.largest, added.largest);
  const Rescale rescale{.before = ptx::power_of_two(softmax.largest - largest),
                        .added = ptx::power_of_two(added.largest - largest)};
  softmax = {.largest = largest, .total = rescale(softmax.total, added.total)};
  return rescale;
}

/// What the weighted sum is multiplied by at last, after the sink of the head, a score without a value, has joined.
GPU_DEVICE float finish(Softmax softmax, const float* sink) {
  if (sink == nullptr) return 1 / softmax.total;
  const Rescale rescale = merge(softmax, {.largest = *sink * kLog2E, .total = 1});
  return rescale.before / softmax.total;
}

}  // namespace gpuinfer::backend::cuda
