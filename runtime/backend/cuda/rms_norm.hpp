// RMS normalisation (Zhang and Sennrich, 2019), and the addition to the residual stream that comes before it.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/stream.hpp"

namespace gpuinfer::backend::cuda {

/// With norm(x, w)[i] = x[i] · w[i] / √(mean of x² + epsilon), for each token:
///     hidden += branch, or norm(branch, branch_weight) where there is such a weight (Gemma 3)
///     out = norm(hidden, weight), rounded to bfloat16
/// A branch is what the layer before computed from the token: the attention's or the MLP's result.
struct AddRmsNorm {
  float* hidden = nullptr;               ///< [tokens, hidden_size], the residual stream
  const float* branch = nullptr;         ///< [tokens, hidden_size]; null: nothing is added
  const float* branch_weight = nullptr;  ///< [hidden_size], or null
  const float* weight = nullptr;         ///< [hidden_size]
  Bfloat16* out = nullptr;               ///< [tokens, hidden_size]
  std::int64_t tokens = 0;
  std::int64_t hidden_size = 0;
  float epsilon = 0;
};

void add_rms_norm(const AddRmsNorm& step, Stream stream);

inline Cost cost(const AddRmsNorm& step) {
  const std::int64_t numbers = step.tokens * step.hidden_size;
  Cost cost{.bytes = numbers * 6 + step.hidden_size * 4, .flops = numbers * 4};
  if (step.branch != nullptr) {
    cost.bytes += numbers * 8;
    cost.flops += numbers;
  }
  if (step.branch_weight != nullptr) {
    cost.bytes += step.hidden_size * 4;
    cost.flops += numbers * 4;
  }
  return cost;
}

}  // namespace gpuinfer::backend::cuda
