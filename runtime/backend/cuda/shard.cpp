#include "runtime/backend/cuda/shard.hpp"

#include <string>

#include "runtime/backend/cuda/device_model.hpp"

namespace gpuinfer::backend::cuda {
namespace {

using model::Linear;
using model::Tensor;

void require_divisible(std::int64_t number, std::int64_t ranks, const std::string& what) {
  if (number % ranks == 0) return;
  throw UnsupportedModel(
      std::to_string(ranks) + " GPUs cannot share the model's " + std::to_string(number) + " " + what + " evenly",
      "Use a --tensor-parallel-size that divides " + std::to_string(number) + ".");
}

/// Throws UnsupportedModel.
void check_columns(const Tensor& tensor, std::int64_t ranks) {
  const std::int64_t blocks = tensor.columns() / block_elements(tensor.type);
  if (tensor.columns() % ranks == 0 && blocks % ranks == 0) return;
  throw UnsupportedModel(std::to_string(ranks) + " GPUs cannot share the columns of " + tensor.name +
                             ": they are stored in " + std::to_string(blocks) + " blocks",
                         "Use a smaller --tensor-parallel-size, or a model in another format.");
}

/// One of `ranks` equal groups of rows, or of a vector's elements; nothing of nothing.
Tensor share(const Tensor& tensor, const Shard& shard) {
  if (tensor.empty()) return tensor;
  const std::int64_t elements = tensor.shape.size() == 1 ? tensor.columns() : tensor.rows();
  const std::int64_t count = elements / shard.ranks;
  return slice_rows(tensor, shard.rank * count, count);
}

Linear share_rows(const Linear& linear, const Shard& shard) {
  return {.weight = share(linear.weight, shard), .bias = share(linear.bias, shard)};
}

Linear share_columns(const Linear& linear, const Shard& shard) {
  check_columns(linear.weight, shard.ranks);
  return {.weight = slice_columns(linear.weight, shard.rank, shard.ranks),
          .bias = shard.rank == 0 ? linear.bias : Tensor{}};
}

void share_layer(model::LayerWeights& layer, const Shard& shard) {
  for (Linear* linear : {&layer.q, &layer.k, &layer.v}) *linear = share_rows(*linear, shard);
  layer.sinks = share(layer.sinks, shard);
  layer.o = share_columns(layer.o, shard);
  if (layer.router.weight.empty()) {
    model::Mlp& mlp = layer.experts.front();
    mlp = {
        .gate = share_rows(mlp.gate, shard), .up = share_rows(mlp.up, shard), .down = share_columns(mlp.down, shard)};
  } else {
    const auto first = layer.experts.begin() + shard.first_expert();
    layer.experts = std::vector<model::Mlp>(first, first + shard.experts());
  }
}

}  // namespace

Tensor slice_rows(Tensor tensor, std::int64_t begin, std::int64_t count) {
  const bool is_vector = tensor.shape.size() == 1;
  const std::int64_t row_bytes = is_vector ? block_bytes(tensor.type) : tensor.row_bytes();
  const auto skip = [&](std::span<const std::byte>& bytes, std::int64_t bytes_of_row) {
    bytes = bytes.subspan(static_cast<std::size_t>(begin * tensor.row_step * bytes_of_row));
  };
  skip(tensor.bytes, row_bytes);
  if (!tensor.scales.empty()) skip(tensor.scales, std::ssize(tensor.row_scales(0)));
  tensor.shape.front() = count;
  return tensor;
}

Tensor slice_columns(Tensor tensor, std::int64_t part, std::int64_t parts) {
  // A part is a row of a matrix that has `parts` times as many.
  const auto skip = [&](std::span<const std::byte>& bytes, std::int64_t bytes_of_row) {
    bytes = bytes.subspan(static_cast<std::size_t>(part * (bytes_of_row / parts)));
  };
  const std::int64_t row_bytes = tensor.row_bytes();
  const std::int64_t scales_of_row = tensor.scales.empty() ? 0 : std::ssize(tensor.row_scales(0));
  skip(tensor.bytes, row_bytes);
  if (scales_of_row > 0) skip(tensor.scales, scales_of_row);
  tensor.row_step *= parts;
  tensor.shape.back() /= parts;
  return tensor;
}

Shard make_shard(const model::Model& model, std::int64_t rank, std::int64_t ranks) {
  Shard shard{.rank = rank, .ranks = ranks, .model = model};
  if (ranks == 1) return shard;
  model::ModelConfig& config = shard.model.config;
  require_divisible(config.num_key_value_heads, ranks, "key/value heads");
  config.num_attention_heads /= ranks;  // A multiple of the key/value heads (check_config).
  config.num_key_value_heads /= ranks;
  if (config.num_experts == 0) {
    require_divisible(config.intermediate_size, ranks, "rows of an MLP");
    config.intermediate_size /= ranks;
  } else {
    require_divisible(config.num_experts, ranks, "experts");
  }
  for (model::LayerWeights& layer : shard.model.weights.layers) share_layer(layer, shard);
  Tensor& lm_head = shard.model.weights.lm_head;
  if (lm_head.rows() % ranks == 0) lm_head = share(lm_head, shard);
  return shard;
}

}  // namespace gpuinfer::backend::cuda
