// Linear layers: what multiplying by a float or a quantised weight means, for every backend.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/model/tensor.hpp"

namespace gpuinfer::backend {

/// Rows of float32: [rows, columns], one row for each token.
struct Matrix {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<float> values;

  Matrix(std::int64_t row_count, std::int64_t column_count)
      : rows(row_count), columns(column_count), values(static_cast<std::size_t>(row_count * column_count)) {}
  std::span<float> row(std::int64_t index) { return std::span(values).subspan(offset(index), offset(1)); }
  std::span<const float> row(std::int64_t index) const { return std::span(values).subspan(offset(index), offset(1)); }

 private:
  std::size_t offset(std::int64_t index) const { return static_cast<std::size_t>(index * columns); }
};

/// Activations that meet quantised weights are quantised too, as the formats intend (ggml's Q8_1): each block of 32
/// has scale = max|x| / 127 and values = round-half-to-even(x · (127 / max|x|)), all in float32; a block of zeros has
/// scale 0.
struct QuantizedActivations {
  std::vector<float> scales;        ///< [columns / 32]
  std::vector<std::int8_t> values;  ///< [columns]
};

QuantizedActivations quantize_activations(std::span<const float> x);

/// x · weightᵀ: [tokens, in_features] to [tokens, out_features].
///
/// Float weights: y = Σ x·w over the row. Quantised weights: with the integer sums Σ q_w·q_x and Σ q_x of each block,
/// which are exact, y = Σ over blocks of scale_w·scale_x·Σ q_w·q_x + minimum_w·(scale_x·Σ q_x).
Matrix linear(const Matrix& x, const model::Tensor& weight);

}  // namespace gpuinfer::backend
