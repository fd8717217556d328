// A transformer's settings, whatever file they came from. A model is data: no code below asks for its family.
#pragma once

#include <cstdint>
#include <optional>

namespace gpuinfer::model {

/// Llama 3.1's stretched RoPE (transformers modeling_rope_utils.py, "llama3"): wavelengths above original/low_freq_factor are divided by
/// factor, those below original/high_freq_factor kept, those between interpolated.
struct Llama3RopeScaling {
  double factor = 8;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  std::int64_t original_max_position_embeddings = 8192;
};

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
  float rms_norm_eps = 1e-5F;
  double rope_theta = 10000;
  std::optional<Llama3RopeScaling> rope_scaling;
};

}  // namespace gpuinfer::model
