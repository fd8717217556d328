// The formulas of rope.hpp.
#include "runtime/model/rope.hpp"

#include <cmath>
#include <numbers>

namespace gpuinfer::model {

std::vector<double> rope_inverse_frequencies(double theta, std::int64_t head_dim) {
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < head_dim / 2; ++i) {
    frequencies.push_back(std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim)));
  }
  return frequencies;
}

std::vector<double> scale_llama3(std::vector<double> frequencies, const Llama3RopeScaling& scaling) {
  const auto original = static_cast<double>(scaling.original_max_position_embeddings);
  for (double& frequency : frequencies) {
    const double wavelength = 2 * std::numbers::pi / frequency;
    if (wavelength < original / scaling.high_freq_factor) continue;
    const double stretched = frequency / scaling.factor;
    if (wavelength > original / scaling.low_freq_factor) {
      frequency = stretched;
    } else {
      const double smooth =
          (original / wavelength - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
      frequency = (1 - smooth) * stretched + smooth * frequency;
    }
  }
  return frequencies;
}

}  // namespace gpuinfer::model
