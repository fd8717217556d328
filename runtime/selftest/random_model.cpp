#include "runtime/selftest/random_model.hpp"

#include <cmath>
#include <cstring>
#include <utility>

#include "runtime/model/half.hpp"
#include "runtime/model/quantized_block.hpp"
#include "runtime/selftest/random_numbers.hpp"

namespace gpuinfer::selftest {
namespace {

using model::DataType;
using model::Tensor;

/// Of q·k · attention_scale: with less a long context would be an average of all values, which hides what is missing.
constexpr double kScoreDeviation = 2.5;
constexpr double kEmbeddingDeviation = 0.25;
constexpr double kBiasDeviation = 0.25;

/// Of the numbers that the 16 codes of MXFP4 stand for.
const double kCodesDeviation = std::sqrt(2 * (0.25 + 1 + 2.25 + 4 + 9 + 16 + 36) / 16);
constexpr int kMxfp4Bias = 127;

class Maker {
 public:
  Maker(const ModelShape& shape, std::uint64_t seed) : shape_(shape), config_(shape.config), random_(seed) {
    model_->config = config_;
  }

  std::shared_ptr<const model::Model> make() {
    model::Weights& weights = model_->weights;
    const std::int64_t hidden = config_.hidden_size;
    weights.embedding = matrix(config_.vocab_size, hidden, kEmbeddingDeviation / double{config_.embedding_scale});
    for (std::int64_t i = 0; i < config_.num_hidden_layers(); ++i) weights.layers.push_back(layer());
    weights.norm = norm(hidden);
    weights.lm_head =
        shape_.has_tied_head ? weights.embedding : matrix(config_.vocab_size, hidden, unit_deviation(hidden));
    return model_;
  }

 private:
  /// With which the products of `columns` numbers near 1 are near 1.
  static double unit_deviation(std::int64_t columns) { return 1 / std::sqrt(static_cast<double>(columns)); }

  model::LayerWeights layer() {
    const std::int64_t hidden = config_.hidden_size;
    // q and k are near 1 where they are not normalised, and their product divided by the square root of head_dim too.
    const double sharpness = kScoreDeviation / std::sqrt(static_cast<double>(config_.head_dim)) /
                             static_cast<double>(config_.attention_scale);
    model::LayerWeights w;
    w.input_norm = norm(hidden);
    w.q = linear(config_.q_size(), hidden, shape_.has_qkv_biases, shape_.has_qk_norm ? 1 : sharpness);
    w.k = linear(config_.kv_size(), hidden, shape_.has_qkv_biases);
    w.v = linear(config_.kv_size(), hidden, shape_.has_qkv_biases);
    if (shape_.has_qk_norm) {
      w.q_norm = norm(config_.head_dim, sharpness);
      w.k_norm = norm(config_.head_dim);
    }
    if (shape_.has_sinks) w.sinks = vector(config_.num_attention_heads, 1, 1);
    w.o = linear(hidden, config_.q_size(), shape_.has_other_biases);
    w.mlp_norm = norm(hidden);
    if (shape_.has_branch_norms) {
      w.attention_output_norm = norm(hidden);
      w.mlp_output_norm = norm(hidden);
    }
    if (config_.num_experts == 0) {
      w.experts.push_back(mlp());
      return w;
    }
    w.router = linear(config_.num_experts, hidden, shape_.has_other_biases);
    for (std::int64_t i = 0; i < config_.num_experts; ++i) w.experts.push_back(mlp());
    return w;
  }

  model::Mlp mlp() {
    const std::int64_t hidden = config_.hidden_size;
    const std::int64_t intermediate = config_.intermediate_size;
    model::Mlp mlp;
    if (shape_.has_mxfp4_experts) {
      const Tensor gate_up = mxfp4(2 * intermediate, hidden);
      mlp.gate.weight = every_other_row(gate_up, 0);
      mlp.up.weight = every_other_row(gate_up, 1);
      mlp.down.weight = mxfp4(hidden, intermediate);
    } else {
      mlp.gate.weight = matrix(intermediate, hidden, unit_deviation(hidden));
      mlp.up.weight = matrix(intermediate, hidden, unit_deviation(hidden));
      mlp.down.weight = matrix(hidden, intermediate, unit_deviation(intermediate));
    }
    if (shape_.has_other_biases) {
      mlp.gate.bias = vector(intermediate, 0, kBiasDeviation);
      mlp.up.bias = vector(intermediate, 0, kBiasDeviation);
      mlp.down.bias = vector(hidden, 0, kBiasDeviation);
    }
    return mlp;
  }

  model::Linear linear(std::int64_t rows, std::int64_t columns, bool has_bias, double factor = 1) {
    return {.weight = matrix(rows, columns, factor * unit_deviation(columns)),
            .bias = has_bias ? vector(rows, 0, factor * kBiasDeviation) : Tensor{}};
  }

  Tensor norm(std::int64_t size, double mean = 1) { return vector(size, mean, 0.2 * mean); }

  Tensor vector(std::int64_t size, double mean, double deviation) {
    Tensor tensor{.type = DataType::kBF16, .shape = {size}};
    fill(tensor, mean, deviation);
    return tensor;
  }

  Tensor matrix(std::int64_t rows, std::int64_t columns, double deviation) {
    Tensor tensor{.type = DataType::kBF16, .shape = {rows, columns}};
    fill(tensor, 0, deviation);
    return tensor;
  }

  void fill(Tensor& tensor, double mean, double deviation) {
    const std::span<std::byte> bytes = buffer(tensor.rows() * tensor.row_bytes());
    for (std::size_t i = 0; i < bytes.size(); i += sizeof(std::uint16_t)) {
      const std::uint16_t bits = model::to_bfloat16(static_cast<float>(mean + deviation * random_.unit_deviation()));
      std::memcpy(&bytes[i], &bits, sizeof bits);
    }
    tensor.bytes = bytes;
  }

  /// Any codes; the scales of a row's blocks differ.
  Tensor mxfp4(std::int64_t rows, std::int64_t columns) {
    Tensor tensor{.type = DataType::kMxfp4, .shape = {rows, columns}};
    const std::span<std::byte> bytes = buffer(rows * tensor.row_bytes());
    random_.fill(bytes);
    const std::span<std::byte> scales = buffer(rows * columns / model::kQuantizedBlockElements);
    const auto exponent = static_cast<int>(std::floor(std::log2(unit_deviation(columns) / kCodesDeviation)));
    for (std::byte& scale : scales)
      scale = static_cast<std::byte>(kMxfp4Bias + exponent + static_cast<int>(random_.below(2)));
    tensor.bytes = bytes;
    tensor.scales = scales;
    return tensor;
  }

  static Tensor every_other_row(Tensor tensor, std::int64_t first) {
    tensor.bytes = tensor.bytes.subspan(static_cast<std::size_t>(first * tensor.row_bytes()));
    tensor.scales = tensor.scales.subspan(static_cast<std::size_t>(first) * tensor.row_scales(0).size());
    tensor.shape.front() /= 2;
    tensor.row_step = 2;
    return tensor;
  }

  std::span<std::byte> buffer(std::int64_t size) {
    auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(size));
    model_->buffers.push_back(bytes);
    return *bytes;
  }

  const ModelShape& shape_;
  const model::ModelConfig& config_;
  RandomNumbers random_;
  std::shared_ptr<model::Model> model_ = std::make_shared<model::Model>();
};

}  // namespace

std::shared_ptr<const model::Model> make_random_model(const ModelShape& shape, std::uint64_t seed) {
  return Maker(shape, seed).make();
}

}  // namespace gpuinfer::selftest
