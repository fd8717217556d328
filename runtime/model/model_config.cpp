// Sanity of settings that came from a file.
#include "runtime/model/model_config.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace gpuinfer::model {
namespace {

void check_range(const std::string& file, const char* name, std::int64_t value, std::int64_t maximum) {
  if (value >= 1 && value <= maximum) return;
  throw Error(file + ": " + name + " is " + std::to_string(value) + ", expected 1 to " + std::to_string(maximum),
              "The file is damaged or describes a model that is not supported.");
}

void check_positive(const std::string& file, const char* name, float value) {
  if (std::isfinite(value) && value > 0) return;
  throw Error(file + ": " + name + " is " + std::to_string(value) + ", expected more than 0");
}

void check_experts(const ModelConfig& config, const std::string& file) {
  if (config.num_experts == 0) return;
  check_range(file, "the number of experts", config.num_experts, 1 << 12);
  check_range(file, "the number of experts for each token", config.num_experts_per_tok, config.num_experts);
}

void check_ropes(const ModelConfig& config, const std::string& file) {
  for (const Rope& rope : config.ropes) {
    if (!std::ranges::all_of(rope.inverse_frequencies, [](double f) { return std::isfinite(f); })) {
      throw Error(file + ": the settings of RoPE give a frequency that is not finite");
    }
    check_positive(file, "RoPE's attention factor", static_cast<float>(rope.magnitude));
  }
}

}  // namespace

std::vector<LayerConfig> make_layers(std::int64_t count, const std::string& file) {
  check_range(file, "the number of layers", count, 1 << 12);
  return std::vector<LayerConfig>(static_cast<std::size_t>(count));
}

void check_config(const ModelConfig& config, const std::string& file) {
  // Far above any published model, and small enough that no product of two or three of them overflows.
  check_range(file, "the vocabulary size", config.vocab_size, 1 << 24);
  check_range(file, "the hidden size", config.hidden_size, 1 << 20);
  check_range(file, "the intermediate size", config.intermediate_size, 1 << 22);
  check_range(file, "the number of attention heads", config.num_attention_heads, 1 << 12);
  check_range(file, "the number of key/value heads", config.num_key_value_heads, config.num_attention_heads);
  check_range(file, "the size of a head", config.head_dim, 1 << 12);
  check_range(file, "the maximum position", config.max_position_embeddings, std::int64_t{1} << 31);
  for (const LayerConfig& layer : config.layers) {
    if (layer.sliding_window) check_range(file, "the sliding window", *layer.sliding_window, std::int64_t{1} << 40);
  }
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    throw Error(file + ": " + std::to_string(config.num_attention_heads) + " attention heads cannot share " +
                std::to_string(config.num_key_value_heads) + " key/value heads evenly");
  }
  if (config.head_dim % 2 != 0) throw Error(file + ": the size of a head is odd, RoPE needs pairs");
  if (!(config.rms_norm_eps >= 0 && config.rms_norm_eps < 1)) {
    throw Error(file + ": the epsilon of RMSNorm is " + std::to_string(config.rms_norm_eps));
  }
  check_positive(file, "the scale of the embedding", config.embedding_scale);
  check_positive(file, "the scale of attention", config.attention_scale);
  check_experts(config, file);
  check_ropes(config, file);
}

}  // namespace gpuinfer::model
