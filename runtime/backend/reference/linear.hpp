// Linear layers in plain loops.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/model/model.hpp"

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

/// `vector` as float32.
std::vector<float> to_floats(const model::Tensor& vector);

/// x · weightᵀ + bias: [tokens, in_features] to [tokens, out_features]. Quantised weights are dequantised; sums are in
/// double.
Matrix linear(const Matrix& x, const model::Linear& layer);

}  // namespace gpuinfer::backend
