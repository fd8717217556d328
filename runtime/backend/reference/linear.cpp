// The one loop that takes nearly all of the reference's time.
#include "runtime/backend/reference/linear.hpp"

namespace gpuinfer::backend {
namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

}  // namespace

Matrix linear(const Matrix& x, const model::Tensor& weight) {
  Matrix y(x.rows, weight.rows());
  std::vector<float> row(static_cast<std::size_t>(weight.columns()));
  for (std::int64_t out = 0; out < weight.rows(); ++out) {
    dequantize_row(weight, out, row);
    for (std::int64_t token = 0; token < x.rows; ++token) {
      y.row(token)[static_cast<std::size_t>(out)] = static_cast<float>(dot(x.row(token), row));
    }
  }
  return y;
}

}  // namespace gpuinfer::backend
