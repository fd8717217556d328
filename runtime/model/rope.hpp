// Rotary position embedding: the frequencies of a model.
#pragma once

#include <cstdint>
#include <vector>

namespace gpuinfer::model {

/// Llama 3.1's stretched RoPE (transformers modeling_rope_utils.py, "llama3"): wavelengths above
/// original/low_freq_factor are divided by factor, those below original/high_freq_factor kept, those between
/// interpolated.
struct Llama3RopeScaling {
  double factor = 8;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  std::int64_t original_max_position_embeddings = 8192;
};

/// theta^(-2i/head_dim) for i in [0, head_dim/2).
std::vector<double> rope_inverse_frequencies(double theta, std::int64_t head_dim);

/// `frequencies` with the bands of `scaling` applied.
std::vector<double> scale_llama3(std::vector<double> frequencies, const Llama3RopeScaling& scaling);

}  // namespace gpuinfer::model
