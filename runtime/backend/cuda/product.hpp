// A linear layer with weights in bfloat16.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/stream.hpp"

namespace gpuinfer::backend::cuda {

/// Up to so many tokens a product is computed by blocks of few rows, which all have the same tokens.
inline constexpr std::int64_t kFewTokens = 8;

/// out[t, r] = Σ over c of weight[r, c] · x[t, c], + bias[r] where there is one.
/// The sum is taken in float32, in the same order whatever `tokens` is.
struct Product {
  const Bfloat16* weight = nullptr;  ///< [rows, columns], aligned to 16 bytes
  const float* bias = nullptr;       ///< [rows], or null
  const Bfloat16* x = nullptr;       ///< [tokens, columns], aligned to 16 bytes
  float* out = nullptr;              ///< [tokens, rows]
  std::int64_t tokens = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;  ///< a multiple of 8
};

/// Throws std::invalid_argument where `columns` is no multiple of 8.
void check(const Product& step);

/// Throws as check().
void multiply(const Product& step, Stream stream);

inline Cost cost(const Product& step) {
  const std::int64_t outputs = step.tokens * step.rows;
  return {
      .bytes = (step.rows + step.tokens) * step.columns * 2 + outputs * 4 + (step.bias != nullptr ? step.rows * 4 : 0),
      .flops = 2 * outputs * step.columns};
}

}  // namespace gpuinfer::backend::cuda
