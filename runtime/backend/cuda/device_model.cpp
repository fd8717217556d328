#include "runtime/backend/cuda/device_model.hpp"

#include <algorithm>
#include <initializer_list>
#include <numbers>
#include <optional>
#include <string>

#include "runtime/backend/cuda/mxfp4_row.hpp"
#include "runtime/backend/cuda/stacked_rows.hpp"
#include "runtime/backend/cuda/weight_upload.hpp"
#include "runtime/model/finite.hpp"

namespace gpuinfer::backend::cuda {
namespace {

/// Row `index` of `tensor` as bfloat16; `values` is memory for a row.
void write_row(const model::Tensor& tensor, std::int64_t index, std::span<float> values, std::span<Bfloat16> out) {
  check_finite(tensor, index, index + 1);
  if (tensor.type == model::DataType::kBF16) {
    std::ranges::copy(tensor.row(index), std::as_writable_bytes(out).begin());
    return;
  }
  dequantize_row(tensor, index, values);
  std::ranges::transform(values, out.begin(), round_to_bfloat16);
}

/// Announces every array of a model.
class Announcer {
 public:
  explicit Announcer(WeightUpload& upload) : upload_(upload) {}

  /// The tensors' elements, one tensor after the other; nothing where they are empty.
  void vector(const float*& place, const std::vector<const model::Tensor*>& tensors) {
    bool placed = false;
    for (const model::Tensor* tensor : tensors) {
      if (tensor->empty()) continue;
      RowSource source{.bytes = [tensor](std::int64_t) { return tensor->row(0); }};
      const WeightUpload::Fill<float> fill = [tensor](std::int64_t, std::int64_t, std::span<float> out,
                                                      const ShiftedBytes& shifted) {
        const model::Tensor here = shifted(*tensor);
        check_finite(here);
        dequantize_row(here, 0, out);
      };
      if (placed) {
        upload_.add_behind<float>(1, tensor->columns(), std::move(source), fill);
      } else {
        upload_.add<float>(place, 1, tensor->columns(), std::move(source), fill);
      }
      placed = true;
    }
  }

  void matrix(const Bfloat16*& place, const StackedRows& rows) {
    const std::int64_t columns = rows.columns();
    upload_.add<Bfloat16>(
        place, rows.count(), columns,
        {.bytes = [rows](std::int64_t row) { return rows[row].tensor.row(rows[row].index); },
         .gap_bytes = std::max(RowSource{}.gap_bytes, gap_between_rows(rows))},
        [rows, columns](std::int64_t begin, std::int64_t end, std::span<Bfloat16> out, const ShiftedBytes& shifted) {
          std::vector<float> values(static_cast<std::size_t>(columns));
          for_each_row(rows, begin, end, shifted,
                       [&](std::int64_t row, const model::Tensor& tensor, std::int64_t index) {
                         write_row(tensor, index, values,
                                   out.subspan(static_cast<std::size_t>((row - begin) * columns), values.size()));
                       });
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
    upload_.add<double>(place, 1, std::ssize(rope.inverse_frequencies), {},
                        [&rope](std::int64_t, std::int64_t, std::span<double> out, const ShiftedBytes&) {
                          for (std::size_t i = 0; i < out.size(); ++i) {
                            out[i] = rope.inverse_frequencies[i] / (2 * std::numbers::pi);
                          }
                        });
  }

 private:
  /// Other tensors' rows, or other GPUs' columns, that lie between two rows.
  static std::ptrdiff_t gap_between_rows(const StackedRows& rows) {
    const model::Tensor& tensor = *rows.tensors().front();
    return (tensor.row_step - 1) * tensor.row_bytes();
  }

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

  /// Calls use(row, tensor, index) for rows [begin, end), each with its tensor, shifted, and its index there.
  template <typename Use>
  static void for_each_row(const StackedRows& rows, std::int64_t begin, std::int64_t end, const ShiftedBytes& shifted,
                           const Use& use) {
    const model::Tensor* source = nullptr;
    model::Tensor here;
    for (std::int64_t row = begin; row < end; ++row) {
      const auto [tensor, index] = rows[row];
      if (&tensor != source) here = shifted(tensor);
      source = &tensor;
      use(row, here, index);
    }
  }

  /// A tile of an expert's rows at a time.
  void mxfp4(Mxfp4Experts& place, std::int64_t experts, const StackedRows& rows) {
    const Mxfp4Matrix expert{.rows = rows.count() / experts, .columns = rows.columns()};
    const Mxfp4Matrix tile{.rows = Mxfp4Matrix::kTileRows, .columns = rows.columns()};
    const auto add = [&](const std::uint32_t*& words, std::int64_t words_of_tile, const auto& bytes_of_row,
                         const auto& pack) {
      upload_.add<std::uint32_t>(
          words, experts * expert.tiles(), words_of_tile,
          {.bytes =
               [rows, expert, bytes_of_row](std::int64_t index) {
                 const auto [begin, end] = rows_of_tile(expert, index);
                 return span_of(rows, begin, end, bytes_of_row);
               },
           .own_bytes = std::ssize(bytes_of_row(*rows.tensors().front(), 0)) * Mxfp4Matrix::kTileRows},
          [=](std::int64_t first, std::int64_t last, std::span<std::uint32_t> out, const ShiftedBytes& shifted) {
            for (std::int64_t index = first; index < last; ++index) {
              const auto [begin, end] = rows_of_tile(expert, index);
              const auto words_out = out.subspan(static_cast<std::size_t>((index - first) * words_of_tile),
                                                 static_cast<std::size_t>(words_of_tile));
              if (end - begin < Mxfp4Matrix::kTileRows) std::ranges::fill(words_out, 0);
              for_each_row(rows, begin, end, shifted,
                           [&, begin = begin](std::int64_t row, const model::Tensor& tensor, std::int64_t in_tensor) {
                             pack(row - begin, tensor, in_tensor, words_out);
                           });
            }
          });
    };
    add(
        place.words, tile.words(), [](const model::Tensor& tensor, std::int64_t row) { return tensor.row(row); },
        [tile](std::int64_t row, const model::Tensor& tensor, std::int64_t index, std::span<std::uint32_t> out) {
          pack_mxfp4_numbers(tile, row, Mxfp4Row(tensor, index).blocks(), out);
        });
    add(place.scales, tile.scale_words(), scales_of_row,
        [tile](std::int64_t row, const model::Tensor& tensor, std::int64_t index, std::span<std::uint32_t> out) {
          check_finite(tensor, index, index + 1);
          pack_mxfp4_scales(tile, row, Mxfp4Row(tensor, index).scales(), out);
        });
  }

  struct Range {
    std::int64_t begin, end;
  };

  /// Rows of all experts, one expert after the other.
  static Range rows_of_tile(const Mxfp4Matrix& expert, std::int64_t index) {
    const std::int64_t first = index / expert.tiles() * expert.rows;
    const std::int64_t begin = index % expert.tiles() * Mxfp4Matrix::kTileRows;
    return {first + begin, first + std::min(begin + Mxfp4Matrix::kTileRows, expert.rows)};
  }

  /// What holds the bytes of rows [begin, end).
  template <typename BytesOfRow>
  static std::span<const std::byte> span_of(const StackedRows& rows, std::int64_t begin, std::int64_t end,
                                            const BytesOfRow& bytes_of_row) {
    const std::byte* first = nullptr;
    const std::byte* last = nullptr;
    const bool one_tensor = &rows[begin].tensor == &rows[end - 1].tensor;
    for (std::int64_t row = begin; row < end; row += one_tensor ? std::max<std::int64_t>(1, end - 1 - begin) : 1) {
      const auto [tensor, index] = rows[row];
      const std::span<const std::byte> bytes = bytes_of_row(tensor, index);
      first = first == nullptr ? bytes.data() : std::min(first, bytes.data());
      last = std::max(last, bytes.data() + bytes.size());
    }
    return {first, last};
  }

  /// Of ggml's blocks the scale is the first byte of each.
  static std::span<const std::byte> scales_of_row(const model::Tensor& tensor, std::int64_t row) {
    return tensor.type == model::DataType::kMxfp4 ? tensor.row_scales(row) : tensor.row(row);
  }

  WeightUpload& upload_;
};

StackedRows rows_of(const model::Tensor& tensor) {
  StackedRows rows;
  rows.add(tensor);
  return rows;
}

/// The row of the embedding that is the first of the output matrix; nothing where these are two.
std::optional<std::int64_t> first_tied_row(const model::Weights& weights) {
  const auto offset = weights.lm_head.bytes.data() - weights.embedding.bytes.data();
  if (offset < 0 || offset >= std::ssize(weights.embedding.bytes)) return std::nullopt;
  return offset / weights.embedding.row_bytes();
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
  if (!first_tied_row(weights)) announce.matrix(device.lm_head.weight, rows_of(weights.lm_head));
}

}  // namespace

std::int64_t device_bytes(const Shard& shard) {
  check_supported(shard.model.config);
  DeviceModel device;
  WeightUpload upload;
  announce_model(shard.model, device, upload);
  return static_cast<std::int64_t>(upload.bytes());
}

std::vector<DeviceModel> upload_shards(std::span<const Shard> shards, ThreadPool& pool, std::span<Queue> queues) {
  std::vector<DeviceModel> devices(shards.size());
  WeightUpload upload;
  std::vector<WeightUpload::Target> targets;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    if (i > 0) upload.begin_next_gpu();
    announce_model(shards[i].model, devices[i], upload);
    use_device(static_cast<int>(shards[i].rank));
    devices[i].memory = DeviceArray<std::byte>(upload.bytes());
    targets.push_back({.memory = devices[i].memory.data(), .queue = &queues[i]});
  }
  const model::Model& model = shards.front().model;
  upload.upload(model, pool, targets);
  for (std::size_t i = 0; i < shards.size(); ++i) {
    if (const auto row = first_tied_row(shards[i].model.weights)) {
      devices[i].lm_head.weight = devices[i].embedding + *row * devices[i].lm_head.columns;
    }
  }
  for (const auto& file : model.files) file->check();
  return devices;
}

}  // namespace gpuinfer::backend::cuda
