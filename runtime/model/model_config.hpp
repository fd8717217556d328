// A transformer's settings, whatever file they came from. A model is data: no code below asks for its family.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gpuinfer::model {

/// Rotary position embedding of some of the layers. Made by rope.hpp.
struct Rope {
  /// Radians per position for each pair (i, i + head_dim/2) of a head: [head_dim / 2].
  std::vector<double> inverse_frequencies;
  /// Multiplies the rotated pair (YaRN's attention factor).
  double magnitude = 1;

  bool operator==(const Rope&) const = default;
};

/// What one layer does differently from another.
struct LayerConfig {
  /// A query sees this many positions, its own included; nothing: all of them.
  std::optional<std::int64_t> sliding_window;
  std::size_t rope = 0;  ///< index into ModelConfig::ropes

  bool operator==(const LayerConfig&) const = default;
};

/// How the two halves of a gated MLP become one.
enum class Activation {
  kSilu,           ///< silu(gate) · up
  kGeluTanh,       ///< gelu(gate) · up with the tanh approximation
  kClampedSwiglu,  ///< gpt-oss: (up + 1) · gate · sigmoid(1.702 · gate), gate ≤ limit, |up| ≤ limit
};

/// Field names follow Hugging Face's config.json.
struct ModelConfig {
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  /// Of the MLP, or of one expert.
  std::int64_t intermediate_size = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_position_embeddings = 0;
  float rms_norm_eps = 1e-5F;
  /// Multiplies the embedding of every token.
  float embedding_scale = 1;
  /// Multiplies q·k.
  float attention_scale = 1;
  Activation activation = Activation::kSilu;
  /// Of Activation::kClampedSwiglu.
  float swiglu_limit = 0;

  /// 0: every layer has one MLP. Else a router picks num_experts_per_tok of so many, weighted by the softmax of their
  /// scores: over those picked, or over all experts.
  std::int64_t num_experts = 0;
  std::int64_t num_experts_per_tok = 0;
  bool softmax_over_picked = true;

  std::vector<Rope> ropes;
  std::vector<LayerConfig> layers;

  std::int64_t num_hidden_layers() const { return static_cast<std::int64_t>(layers.size()); }
  std::int64_t q_size() const { return num_attention_heads * head_dim; }
  std::int64_t kv_size() const { return num_key_value_heads * head_dim; }
};

/// `count` layers that are all alike. Throws Error, with `file` in front, where that is no number of layers.
std::vector<LayerConfig> make_layers(std::int64_t count, const std::string& file);

/// Throws Error, with `file` in front, where a setting is missing, absurd, or contradicts another.
void check_config(const ModelConfig& config, const std::string& file);

}  // namespace gpuinfer::model
