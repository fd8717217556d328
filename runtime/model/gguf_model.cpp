// A model from a GGUF file of llama.cpp's "llama" architecture (Llama, Mistral, SmolLM2 and others of that shape).
#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "runtime/model/experts.hpp"
#include "runtime/model/gguf.hpp"
#include "runtime/model/loaders.hpp"
#include "runtime/model/rope.hpp"
#include "runtime/model/weights.hpp"

namespace gpuinfer::model {
namespace {

const TensorNames kNames = {.embedding = "token_embd.weight",
                            .norm = "output_norm.weight",
                            .lm_head = "output.weight",
                            .layer_prefix = "blk.",
                            .input_norm = "attn_norm.weight",
                            .q = {.weight = "attn_q.weight"},
                            .k = {.weight = "attn_k.weight"},
                            .v = {.weight = "attn_v.weight"},
                            .o = {.weight = "attn_output.weight"},
                            .mlp_norm = "ffn_norm.weight",
                            .mlp = {.gate = {.weight = "ffn_gate.weight"},
                                    .up = {.weight = "ffn_up.weight"},
                                    .down = {.weight = "ffn_down.weight"}}};

/// Llama 3's stretched RoPE: a divisor for each frequency.
constexpr const char* kRopeFactors = "rope_freqs.weight";

[[noreturn]] void refuse(const GgufFile& file, const std::string& what) {
  throw Error(file.path().string() + ": " + what, "The model is of a kind that is not supported yet.");
}

std::int64_t required_integer(const GgufFile& file, const std::string& key) {
  const auto value = file.integer(key);
  if (!value) throw Error(file.path().string() + ": metadata key '" + key + "' is missing", "Fetch the file again.");
  return *value;
}

void check_supported(const GgufFile& file) {
  const std::string architecture(file.string("general.architecture").value_or("(none)"));
  if (architecture != "llama") refuse(file, "architecture '" + architecture + "' is not supported");
  if (file.integer("llama.expert_count").value_or(0) != 0) refuse(file, "mixtures of experts are not supported");
  const std::string scaling(file.string("llama.rope.scaling.type").value_or("none"));
  if (scaling != "none") refuse(file, "RoPE scaling '" + scaling + "' is not supported");
}

ModelConfig read_config(const GgufFile& file) {
  ModelConfig config;
  config.hidden_size = required_integer(file, "llama.embedding_length");
  config.intermediate_size = required_integer(file, "llama.feed_forward_length");
  config.layers = make_layers(required_integer(file, "llama.block_count"), file.path().string());
  config.num_attention_heads = required_integer(file, "llama.attention.head_count");
  config.num_key_value_heads = file.integer("llama.attention.head_count_kv").value_or(config.num_attention_heads);
  config.max_position_embeddings = required_integer(file, "llama.context_length");
  config.head_dim = file.integer("llama.attention.key_length")
                        .value_or(config.hidden_size / std::max<std::int64_t>(config.num_attention_heads, 1));
  for (LayerConfig& layer : config.layers) layer.sliding_window = file.integer("llama.attention.sliding_window");
  config.rms_norm_eps = static_cast<float>(file.real("llama.attention.layer_norm_rms_epsilon").value_or(1e-5));
  // Older files lack llama.vocab_size; the embedding has one row for each token.
  const auto embedding = std::ranges::find(file.tensors(), kNames.embedding, &GgufTensor::name);
  config.vocab_size = embedding != file.tensors().end() ? embedding->tensor.rows() : 0;
  check_config(config, file.path().string());
  config.attention_scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config.head_dim)));

  if (file.integer("llama.attention.value_length").value_or(config.head_dim) != config.head_dim) {
    refuse(file, "values of another size than keys are not supported");
  }
  if (file.integer("llama.rope.dimension_count").value_or(config.head_dim) != config.head_dim) {
    refuse(file, "rotating only a part of each head is not supported");
  }
  const double theta = file.real("llama.rope.freq_base").value_or(10000);
  if (!(theta > 0)) refuse(file, "llama.rope.freq_base is not positive");
  config.ropes = {Rope{rope_inverse_frequencies(theta, config.head_dim)}};
  return config;
}

void divide_rope_frequencies(ModelConfig& config, TensorTable& tensors) {
  if (!tensors.contains(kRopeFactors)) return;
  std::vector<float> factors(static_cast<std::size_t>(config.head_dim / 2));
  dequantize_row(tensors.take(kRopeFactors, {config.head_dim / 2}), 0, factors);
  for (std::size_t i = 0; i < factors.size(); ++i) config.ropes.front().inverse_frequencies[i] /= factors[i];
  check_config(config, tensors.path().string());
}

/// llama.cpp's converter interleaves the two halves of each head of q and k: its row 2i + j is Hugging Face's row
/// j·head_dim/2 + i. Whole rows move, so this works on quantised ones.
void restore_row_order(Tensor& tensor, std::int64_t head_dim, Model& model) {
  const auto row_bytes = static_cast<std::size_t>(tensor.row_bytes());
  auto rows = std::make_shared<std::vector<std::byte>>(tensor.bytes.size());
  for (std::int64_t row = 0; row < tensor.rows(); ++row) {
    const std::int64_t in_head = row % head_dim;
    const std::int64_t half = head_dim / 2;
    const std::int64_t source = row - in_head + 2 * (in_head % half) + in_head / half;
    std::ranges::copy(tensor.row(source), rows->begin() + static_cast<std::ptrdiff_t>(row * row_bytes));
  }
  tensor.bytes = *rows;
  model.buffers.push_back(std::move(rows));
}

}  // namespace

Model load_gguf_model(const std::filesystem::path& path) {
  const GgufFile file(path);
  check_supported(file);
  Model model;
  model.config = read_config(file);
  TensorTable tensors(path);
  for (const GgufTensor& tensor : file.tensors()) tensors.add(std::string(tensor.name), tensor.tensor);
  divide_rope_frequencies(model.config, tensors);
  model.weights = take_weights(tensors, kNames, model.config, dense_mlp(tensors, kNames, model.config));
  for (LayerWeights& layer : model.weights.layers) {
    restore_row_order(layer.q.weight, model.config.head_dim, model);
    restore_row_order(layer.k.weight, model.config.head_dim, model);
  }
  model.files.push_back(file.contents());
  return model;
}

}  // namespace gpuinfer::model
