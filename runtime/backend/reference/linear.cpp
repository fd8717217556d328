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

std::vector<float> to_floats(const model::Tensor& vector) {
  std::vector<float> values(static_cast<std::size_t>(vector.columns()));
  dequantize_row(vector, 0, values);
  return values;
}

Matrix linear(const Matrix& x, const model::Linear& layer) {
  const model::Tensor& weight = layer.weight;
  Matrix y(x.rows, weight.rows());
  std::vector<float> row(static_cast<std::size_t>(weight.columns()));
  std::vector<float> bias(static_cast<std::size_t>(weight.rows()));
  if (!layer.bias.empty()) bias = to_floats(layer.bias);
  for (std::int64_t out = 0; out < weight.rows(); ++out) {
    dequantize_row(weight, out, row);
    for (std::int64_t token = 0; token < x.rows; ++token) {
      const auto index = static_cast<std::size_t>(out);
      y.row(token)[index] = static_cast<float>(dot(x.row(token), row) + static_cast<double>(bias[index]));
    }
  }
  return y;
}

}  // namespace gpuinfer::backend
