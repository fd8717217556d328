// The formulas of rope.hpp.
#include "runtime/model/rope.hpp"

#include <algorithm>
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

std::vector<double> scale_yarn(std::vector<double> frequencies, double theta, const YarnRopeScaling& scaling) {
  const auto head_dim = 2 * static_cast<double>(frequencies.size());
  const auto original = static_cast<double>(scaling.original_max_position_embeddings);
  // The pair that turns `turns` times within the original context.
  const auto pair_of = [&](double turns) {
    return head_dim * std::log(original / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
  };
  double low = pair_of(scaling.beta_fast);
  double high = pair_of(scaling.beta_slow);
  if (scaling.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, head_dim - 1);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / scaling.factor * ramp + frequencies[i] * (1 - ramp);
  }
  return frequencies;
}

double yarn_magnitude(double factor) { return factor <= 1 ? 1 : 0.1 * std::log(factor) + 1; }

}  // namespace gpuinfer::model
