// The layouts of experts.hpp.
#include "runtime/model/experts.hpp"

#include <algorithm>

#include "runtime/model/quantized_block.hpp"

namespace gpuinfer::model {
namespace {

/// Entry `index` of the first dimension of [n, …].
Tensor entry(const Tensor& tensor, std::int64_t index) {
  Tensor part = tensor;
  part.shape.erase(part.shape.begin());
  const auto count = static_cast<std::size_t>(tensor.shape.front());
  const auto slice = [&](std::span<const std::byte> all) {
    return all.subspan(static_cast<std::size_t>(index) * (all.size() / count), all.size() / count);
  };
  part.bytes = slice(tensor.bytes);
  part.scales = slice(tensor.scales);
  return part;
}

/// One of the layers that are stored together; an empty bias stays empty.
Linear entry(const Linear& all, std::int64_t index) {
  return {.weight = entry(all.weight, index), .bias = all.bias.empty() ? Tensor{} : entry(all.bias, index)};
}

/// Every other row of [2·n, columns], from row `first` on.
Tensor every_other_row(const Tensor& tensor, std::int64_t first) {
  Tensor part = tensor;
  part.shape.front() /= 2;
  part.row_step = 2;
  const auto skip = [&](std::span<const std::byte> all) {
    return all.subspan(static_cast<std::size_t>(first) * (all.size() / static_cast<std::size_t>(tensor.shape.front())));
  };
  part.bytes = skip(tensor.bytes);
  part.scales = skip(tensor.scales);
  return part;
}

/// gpt-oss's experts of one layer.
class GptOssLayer {
 public:
  GptOssLayer(TensorTable& tensors, std::string prefix, const ModelConfig& config, Model& model)
      : tensors_(tensors), prefix_(std::move(prefix)), config_(config), model_(model) {}

  std::vector<Mlp> take() {
    const std::int64_t hidden = config_.hidden_size;
    const std::int64_t intermediate = config_.intermediate_size;
    const Tensor gate_up = weight("gate_up_proj", 2 * intermediate, hidden);
    const Tensor down = weight("down_proj", hidden, intermediate);
    const Tensor gate_up_bias = bias("gate_up_proj_bias", 2 * intermediate);
    fetch(model_, gate_up_bias.bytes);
    const Tensor down_bias = bias("down_proj_bias", hidden);
    std::vector<Mlp> experts;
    for (std::int64_t i = 0; i < config_.num_experts; ++i) {
      const Tensor rows = entry(gate_up, i);
      const Tensor biases = entry(gate_up_bias, i);
      experts.push_back({.gate = {every_other_row(rows, 0), every_other_element(biases, 0)},
                         .up = {every_other_row(rows, 1), every_other_element(biases, 1)},
                         .down = {entry(down, i), entry(down_bias, i)}});
    }
    return experts;
  }

 private:
  Tensor bias(const std::string& name, std::int64_t out) {
    return tensors_.take(prefix_ + name, {config_.num_experts, out});
  }

  /// [experts, out, in].
  Tensor weight(const std::string& name, std::int64_t out, std::int64_t in) {
    const std::string full_name = prefix_ + name;
    if (!tensors_.contains(full_name + "_blocks")) {
      return transposed(tensors_.take(full_name, {config_.num_experts, in, out}));
    }
    const std::int64_t blocks = in / kQuantizedBlockElements;
    Tensor tensor{.type = DataType::kMxfp4, .shape = {config_.num_experts, out, in}, .name = full_name};
    tensor.bytes = tensors_.take_bytes(full_name + "_blocks", {config_.num_experts, out, blocks, 16}).bytes;
    tensor.scales = tensors_.take_bytes(full_name + "_scales", {config_.num_experts, out, blocks}).bytes;
    return tensor;
  }

  /// [experts, in, out] to [experts, out, in].
  Tensor transposed(const Tensor& tensor) {
    const std::int64_t in = tensor.shape[1];
    const std::int64_t out = tensor.shape[2];
    const std::int64_t size = block_bytes(tensor.type);
    Tensor result{.type = tensor.type, .shape = {tensor.shape[0], out, in}, .name = tensor.name};
    std::span<std::byte> bytes = buffer(tensor.bytes.size(), result);
    fetch(model_, tensor.bytes);
    const std::byte* source = tensor.bytes.data();
    for (std::int64_t expert = 0; expert < tensor.shape[0]; ++expert) {
      for (std::int64_t i = 0; i < in; ++i) {
        for (std::int64_t o = 0; o < out; ++o, source += size) {
          std::copy_n(source, size, &bytes[static_cast<std::size_t>(((expert * out + o) * in + i) * size)]);
        }
      }
    }
    return result;
  }

  Tensor every_other_element(const Tensor& vector, std::int64_t first) {
    const std::int64_t size = block_bytes(vector.type);
    Tensor result{.type = vector.type, .shape = {vector.columns() / 2}, .name = vector.name};
    std::span<std::byte> bytes = buffer(vector.bytes.size() / 2, result);
    for (std::int64_t i = 0; i < vector.columns() / 2; ++i) {
      std::copy_n(&vector.bytes[static_cast<std::size_t>((2 * i + first) * size)], size,
                  &bytes[static_cast<std::size_t>(i * size)]);
    }
    return result;
  }

  /// Memory for `tensor` that the model keeps.
  std::span<std::byte> buffer(std::size_t size, Tensor& tensor) {
    auto bytes = std::make_shared<std::vector<std::byte>>(size);
    tensor.bytes = *bytes;
    model_.buffers.push_back(bytes);
    return *bytes;
  }

  TensorTable& tensors_;
  std::string prefix_;
  const ModelConfig& config_;
  Model& model_;
};

}  // namespace

TakeExperts dense_mlp(TensorTable& tensors, const TensorNames& names, const ModelConfig& config) {
  return [&](const std::string& layer_prefix) {
    return std::vector<Mlp>{take_mlp(tensors, layer_prefix, names.mlp, config)};
  };
}

TakeExperts separate_experts(TensorTable& tensors, const TensorNames& names, const ModelConfig& config) {
  return [&](const std::string& layer_prefix) {
    std::vector<Mlp> experts;
    for (std::int64_t i = 0; i < config.num_experts; ++i) {
      experts.push_back(take_mlp(tensors, layer_prefix + "mlp.experts." + std::to_string(i) + ".", names.mlp, config));
    }
    return experts;
  };
}

TakeExperts stacked_experts(TensorTable& tensors, const TensorNames& names, const ModelConfig& config) {
  return [&](const std::string& layer_prefix) {
    const std::int64_t experts = config.num_experts;
    const auto take = [&](const LinearNames& linear, std::int64_t out, std::int64_t in) {
      Linear all{.weight = tensors.take(layer_prefix + linear.weight, {experts, out, in}), .bias = {}};
      if (!linear.bias.empty()) all.bias = tensors.take(layer_prefix + linear.bias, {experts, out});
      return all;
    };
    const Linear gate = take(names.mlp.gate, config.intermediate_size, config.hidden_size);
    const Linear up = take(names.mlp.up, config.intermediate_size, config.hidden_size);
    const Linear down = take(names.mlp.down, config.hidden_size, config.intermediate_size);
    std::vector<Mlp> mlps;
    for (std::int64_t i = 0; i < experts; ++i) mlps.push_back({entry(gate, i), entry(up, i), entry(down, i)});
    return mlps;
  };
}

TakeExperts gpt_oss_experts(TensorTable& tensors, const ModelConfig& config, Model& model) {
  return [&](const std::string& layer_prefix) {
    return GptOssLayer(tensors, layer_prefix + "mlp.experts.", config, model).take();
  };
}

}  // namespace gpuinfer::model
