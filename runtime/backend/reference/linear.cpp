// Linear layers in plain loops.
#include "runtime/backend/reference/linear.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/model/quantized_block.hpp"

namespace gpuinfer::backend {
namespace {

using model::kQuantizedBlockElements;
using model::QuantizedBlock;

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

double dot(std::span<const QuantizedBlock> weight, const QuantizedActivations& x) {
  double sum = 0;
  for (std::size_t b = 0; b < weight.size(); ++b) {
    std::int32_t products = 0;
    std::int32_t activations = 0;
    for (std::size_t i = 0; i < kQuantizedBlockElements; ++i) {
      const std::int32_t value = x.values[b * kQuantizedBlockElements + i];
      products += weight[b].values[i] * value;
      activations += value;
    }
    const double scale = static_cast<double>(weight[b].scale) * static_cast<double>(x.scales[b]);
    const double minimum = static_cast<double>(weight[b].minimum) * static_cast<double>(x.scales[b]);
    sum += scale * products + minimum * activations;
  }
  return sum;
}

Matrix linear_float(const Matrix& x, const model::Tensor& weight) {
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

Matrix linear_quantized(const Matrix& x, const model::Tensor& weight) {
  std::vector<QuantizedActivations> quantized;
  for (std::int64_t token = 0; token < x.rows; ++token) quantized.push_back(quantize_activations(x.row(token)));

  Matrix y(x.rows, weight.rows());
  std::vector<QuantizedBlock> row(static_cast<std::size_t>(weight.columns() / kQuantizedBlockElements));
  for (std::int64_t out = 0; out < weight.rows(); ++out) {
    const std::byte* bytes = weight.row(out).data();
    for (QuantizedBlock& block : row) {
      block = unpack_block(weight.type, bytes);
      bytes += model::block_bytes(weight.type);
    }
    for (std::int64_t token = 0; token < x.rows; ++token) {
      y.row(token)[static_cast<std::size_t>(out)] =
          static_cast<float>(dot(row, quantized[static_cast<std::size_t>(token)]));
    }
  }
  return y;
}

}  // namespace

QuantizedActivations quantize_activations(std::span<const float> x) {
  QuantizedActivations quantized;
  for (std::size_t begin = 0; begin < x.size(); begin += kQuantizedBlockElements) {
    const std::span<const float> block = x.subspan(begin, kQuantizedBlockElements);
    float largest = 0;
    for (const float value : block) largest = std::max(largest, std::fabs(value));
    const float inverse = largest > 0 ? 127.0F / largest : 0.0F;
    quantized.scales.push_back(largest / 127.0F);
    for (const float value : block)
      quantized.values.push_back(static_cast<std::int8_t>(std::nearbyint(value * inverse)));
  }
  return quantized;
}

Matrix linear(const Matrix& x, const model::Tensor& weight) {
  return model::is_quantized(weight.type) ? linear_quantized(x, weight) : linear_float(x, weight);
}

}  // namespace gpuinfer::backend
