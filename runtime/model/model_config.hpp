// A transformer's settings, whatever file they came from. A model is data: no code below asks for its family.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gpuinfer::model {

/// Field names follow Hugging Face's config.json.
struct ModelConfig {
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_position_embeddings = 0;
  /// A query sees this many positions, its own included; nothing: all of them.
  std::optional<std::int64_t> sliding_window;
  float rms_norm_eps = 1e-5F;
  /// Radians per position for each pair (i, i + head_dim/2) of a head: [head_dim / 2]. Made by rope.hpp.
  std::vector<double> rope_inverse_frequencies;
};

/// Throws Error, with `file` in front, where a setting is missing, absurd, or contradicts another.
void check_config(const ModelConfig& config, const std::string& file);

}  // namespace gpuinfer::model
