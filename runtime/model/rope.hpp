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

/// YaRN (Peng et al., 2023; transformers modeling_rope_utils.py, "yarn"): pairs that turn less than beta_slow times
/// within the original context are divided by factor, those that turn more than beta_fast times kept, those between
/// interpolated. `truncate` widens the band between to whole pairs.
struct YarnRopeScaling {
  double factor = 1;
  double beta_fast = 32;
  double beta_slow = 1;
  std::int64_t original_max_position_embeddings = 4096;
  bool truncate = true;
};

/// theta^(-2i/head_dim) for i in [0, head_dim/2).
std::vector<double> rope_inverse_frequencies(double theta, std::int64_t head_dim);

/// `frequencies` with the bands of `scaling` applied.
std::vector<double> scale_llama3(std::vector<double> frequencies, const Llama3RopeScaling& scaling);

/// `frequencies`, those of `theta`, with the bands of `scaling` applied.
std::vector<double> scale_yarn(std::vector<double> frequencies, double theta, const YarnRopeScaling& scaling);

/// 0.1 ln(factor) + 1, by which YaRN multiplies rotated pairs unless the model says otherwise.
double yarn_magnitude(double factor);

}  // namespace gpuinfer::model
