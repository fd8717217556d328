#include "runtime/backend/cuda/device_model.hpp"

#include <algorithm>
#include <initializer_list>
#include <numbers>
#include <string>

#include "runtime/backend/cuda/mxfp4_row.hpp"
#include "runtime/backend/cuda/stacked_rows.hpp"
#include "runtime/backend/cuda/weight_upload.hpp"
#include "runtime/model/finite.hpp"

namespace gpuinfer::backend::cuda {
namespace {

/// Announces every array of a model.
class Announcer {
 public:
  explicit Announcer(WeightUpload& upload) : upload_(upload) {}

  /// The tensors' elements, one tensor after the other; nothing where they are empty.
  void vector(const float*& place, const std::vector<const model::Tensor*>& tensors) {
    std::int64_t size = 0;
    for (const model::Tensor* tensor : tensors) size += tensor->empty() ? 0 : tensor->columns();
    if (size == 0) return;
    upload_.add<float>(place, 1, size, [tensors](std::int64_t, std::span<float> out) {
      for (const model::Tensor* tensor : tensors) {
        check_finite(*tensor);
        const auto count = static_cast<std::size_t>(tensor->columns());
        dequantize_row(*tensor, 0, out.first(count));
        out = out.subspan(count);
      }
    });
  }

  void matrix(const Bfloat16*& place, const StackedRows& rows) {
    upload_.add<Bfloat16>(place, rows.count(), rows.columns(), [rows](std::int64_t row, std::span<Bfloat16> out) {
      const auto [tensor, index] = rows[row];
      check_finite(tensor, index, index + 1);
      std::vector<float> values(out.size());
      dequantize_row(tensor, index, values);
      std::ranges::transform(values, out.begin(), round_to_bfloat16);
    });
  }

  /// The layers' rows one after the other. All have a bias, or none has.
  void linear(DeviceLinear& place, const std::vector<const model::Linear*>& layers) {
    const auto [rows, biases] = stack(layers);
    place.rows = rows.count();
    place.columns = rows.columns();
    matrix(place.weight, rows);
    vector(place.bias, biases);
  }

  /// Of each expert the rows of `parts`, one after the other.
  void experts(DeviceExperts& place, const std::vector<model::Mlp>& experts,
               std::initializer_list<model::Linear model::Mlp::*> parts) {
    std::vector<const model::Linear*> layers;
    for (const model::Mlp& expert : experts) {
      for (const auto part : parts) layers.push_back(&(expert.*part));
    }
    const auto [rows, biases] = stack(layers);
    const std::int64_t count = std::ssize(experts);
    place.rows = rows.count() / count;
    place.columns = rows.columns();
    if (std::ranges::all_of(rows.tensors(), [](const model::Tensor* tensor) { return is_mxfp4(*tensor); })) {
      mxfp4(place.weight.emplace<Mxfp4Experts>(), count, rows);
    } else {
      matrix(place.weight.emplace<Bfloat16Experts>().values, rows);
    }
    vector(place.bias, biases);
  }

  void layer(DeviceLayer& place, const model::LayerWeights& weights) {
    vector(place.input_norm, {&weights.input_norm});
    linear(place.qkv, {&weights.q, &weights.k, &weights.v});
    vector(place.q_norm, {&weights.q_norm});
    vector(place.k_norm, {&weights.k_norm});
    vector(place.sinks, {&weights.sinks});
    linear(place.o, {&weights.o});
    vector(place.attention_output_norm, {&weights.attention_output_norm});
    vector(place.mlp_norm, {&weights.mlp_norm});
    if (weights.router.weight.empty()) {
      linear(place.gate_up, {&weights.experts.front().gate, &weights.experts.front().up});
      linear(place.down, {&weights.experts.front().down});
    } else {
      linear(place.router, {&weights.router});
      experts(place.expert_gate_up, weights.experts, {&model::Mlp::gate, &model::Mlp::up});
      experts(place.expert_down, weights.experts, {&model::Mlp::down});
    }
    vector(place.mlp_output_norm, {&weights.mlp_output_norm});
  }

  void rope(const double*& place, const model::Rope& rope) {
    upload_.add<double>(place, 1, std::ssize(rope.inverse_frequencies), [&rope](std::int64_t, std::span<double> out) {
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = rope.inverse_frequencies[i] / (2 * std::numbers::pi);
    });
  }

 private:
  struct Stack {
    StackedRows rows;
    std::vector<const model::Tensor*> biases;
  };

  static Stack stack(const std::vector<const model::Linear*>& layers) {
    Stack stack;
    for (const model::Linear* layer : layers) {
      stack.rows.add(layer->weight);
      stack.biases.push_back(&layer->bias);
    }
    return stack;
  }

  /// A tile of an expert's rows at a time.
  void mxfp4(Mxfp4Experts& place, std::int64_t experts, const StackedRows& rows) {
    const Mxfp4Matrix expert{.rows = rows.count() / experts, .columns = rows.columns()};
    const Mxfp4Matrix tile{.rows = Mxfp4Matrix::kTileRows, .columns = rows.columns()};
    const auto for_each_row = [rows, expert](std::int64_t index, const auto& pack) {
      const std::int64_t begin = index % expert.tiles() * Mxfp4Matrix::kTileRows;
      const std::int64_t end = std::min(begin + Mxfp4Matrix::kTileRows, expert.rows);
      for (std::int64_t row = begin; row < end; ++row) {
        const auto [tensor, tensor_row] = rows[index / expert.tiles() * expert.rows + row];
        check_finite(tensor, tensor_row, tensor_row + 1);
        pack(row - begin, Mxfp4Row(tensor, tensor_row));
      }
    };
    upload_.add<std::uint32_t>(place.words, experts * expert.tiles(), tile.words(),
                               [=](std::int64_t index, std::span<std::uint32_t> out) {
                                 for_each_row(index, [&](std::int64_t row, const Mxfp4Row& from) {
                                   pack_mxfp4_numbers(tile, row, from.blocks(), out);
                                 });
                               });
    upload_.add<std::uint32_t>(place.scales, experts * expert.tiles(), tile.scale_words(),
                               [=](std::int64_t index, std::span<std::uint32_t> out) {
                                 for_each_row(index, [&](std::int64_t row, const Mxfp4Row& from) {
                                   pack_mxfp4_scales(tile, row, from.scales(), out);
                                 });
                               });
  }

  WeightUpload& upload_;
};

StackedRows rows_of(const model::Tensor& tensor) {
  StackedRows rows;
  rows.add(tensor);
  return rows;
}

bool has_tied_head(const model::Weights& weights) {
  return weights.lm_head.bytes.data() == weights.embedding.bytes.data();
}

void require(bool condition, const std::string& what) {
  if (!condition) throw UnsupportedModel("the kernels for GPUs need " + what, "Use --backend cpu.");
}

/// What the kernels would refuse.
void check_supported(const model::ModelConfig& config) {
  require(config.head_dim == 32 || config.head_dim == 64 || config.head_dim == 128 || config.head_dim == 256,
          "heads of 32, 64, 128 or 256 dimensions, and the model's have " + std::to_string(config.head_dim));
  require(config.num_experts <= kMaximumExperts, "at most " + std::to_string(kMaximumExperts) +
                                                     " experts, and the model has " +
                                                     std::to_string(config.num_experts));
  for (const std::int64_t columns : {config.hidden_size, config.intermediate_size, config.q_size()}) {
    require(columns % 8 == 0, "sizes that are multiples of 8, and one of the model's is " + std::to_string(columns));
  }
}

/// Everything but what upload() decides: `device` is complete when that is done.
void announce_model(const model::Model& model, DeviceModel& device, WeightUpload& upload) {
  const model::Weights& weights = model.weights;
  Announcer announce(upload);
  announce.matrix(device.embedding, rows_of(weights.embedding));
  device.turns_per_position.resize(model.config.ropes.size());
  for (std::size_t i = 0; i < model.config.ropes.size(); ++i) {
    announce.rope(device.turns_per_position[i], model.config.ropes[i]);
  }
  device.layers.resize(weights.layers.size());
  for (std::size_t i = 0; i < weights.layers.size(); ++i) announce.layer(device.layers[i], weights.layers[i]);
  announce.vector(device.norm, {&weights.norm});
  device.lm_head.rows = weights.lm_head.rows();
  device.lm_head.columns = weights.lm_head.columns();
  if (!has_tied_head(weights)) announce.matrix(device.lm_head.weight, rows_of(weights.lm_head));
}

}  // namespace

std::int64_t device_bytes(const model::Model& model) {
  check_supported(model.config);
  DeviceModel device;
  WeightUpload upload;
  announce_model(model, device, upload);
  return static_cast<std::int64_t>(upload.bytes());
}

DeviceModel upload_model(const model::Model& model, ThreadPool& pool, Queue& queue) {
  DeviceModel device;
  WeightUpload upload;
  announce_model(model, device, upload);
  device.memory = upload.upload(pool, queue);
  if (has_tied_head(model.weights)) device.lm_head.weight = device.embedding;
  for (const auto& file : model.files) file->check();
  return device;
}

}  // namespace gpuinfer::backend::cuda
