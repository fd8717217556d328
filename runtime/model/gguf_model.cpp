// A model from a GGUF file.
#include <algorithm>
#include <utility>

#include "runtime/model/experts.hpp"
#include "runtime/model/gguf.hpp"
#include "runtime/model/gguf_config.hpp"
#include "runtime/model/loaders.hpp"
#include "runtime/model/weights.hpp"

namespace gpuinfer::model {
namespace {

/// Llama 3's stretched RoPE: a divisor for each frequency.
constexpr const char* kRopeFactors = "rope_freqs.weight";

void divide_rope_frequencies(ModelConfig& config, const Tensor& factors, const std::string& place) {
  std::vector<float> values(static_cast<std::size_t>(factors.columns()));
  dequantize_row(factors, 0, values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    config.ropes.front().inverse_frequencies[i] /= static_cast<double>(values[i]);
  }
  check_config(config, place);
}

/// See GgufModel::has_interleaved_heads. Whole rows move, so this works on quantised ones; a bias has rows of one
/// element.
void restore_row_order(Tensor& tensor, std::int64_t head_dim, Model& model) {
  if (tensor.empty()) return;
  Tensor source = tensor;
  if (source.shape.size() == 1) source.shape.push_back(1);
  fetch(model, source.bytes);
  const auto row_bytes = static_cast<std::size_t>(source.row_bytes());
  auto rows = std::make_shared<std::vector<std::byte>>(source.bytes.size());
  for (std::int64_t row = 0; row < source.rows(); ++row) {
    const std::int64_t in_head = row % head_dim;
    const std::int64_t half = head_dim / 2;
    const std::int64_t stored = row - in_head + 2 * (in_head % half) + in_head / half;
    std::ranges::copy(source.row(stored), rows->begin() + static_cast<std::ptrdiff_t>(row * row_bytes));
  }
  tensor.bytes = *rows;
  model.buffers.push_back(std::move(rows));
}

void restore_row_order(Linear& linear, std::int64_t head_dim, Model& model) {
  restore_row_order(linear.weight, head_dim, model);
  restore_row_order(linear.bias, head_dim, model);
}

}  // namespace

Model load_gguf_model(const std::filesystem::path& path, Reading reading, std::shared_ptr<LoadProgress> progress) {
  const GgufFile file(path, access_for(reading));
  const GgufModel description = parse_gguf_config(file);
  Model model;
  model.config = description.config;
  TensorTable tensors(path);
  for (const GgufTensor& tensor : file.tensors()) tensors.add(std::string(tensor.name), tensor.tensor);
  Tensor rope_factors;
  if (tensors.contains(kRopeFactors)) rope_factors = tensors.take(kRopeFactors, {model.config.head_dim / 2});
  const bool has_experts = model.config.num_experts > 0;
  model.weights = take_weights(tensors, description.names, model.config,
                               has_experts ? stacked_experts(tensors, description.names, model.config)
                                           : dense_mlp(tensors, description.names, model.config));
  model.files.push_back(file.contents());
  model.progress = std::move(progress);
  if (reading == Reading::kStreamed) {
    model.reader = std::make_shared<WeightReader>(model.files, model.progress);
  } else {
    file.contents()->fetch_all();
  }
  if (description.has_interleaved_heads) {
    for (LayerWeights& layer : model.weights.layers) {
      restore_row_order(layer.q, model.config.head_dim, model);
      restore_row_order(layer.k, model.config.head_dim, model);
    }
  }
  if (!rope_factors.empty()) {
    fetch(model, rope_factors.bytes);
    divide_rope_frequencies(model.config, rope_factors, path.string());
  }
  return model;
}

}  // namespace gpuinfer::model
