#include "runtime/engine/sampling.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>

namespace gpuinfer::engine {
namespace {

/// Several maxima side by side, which a compiler turns into vectors: of the 262,144 logits of Gemma, one after the
/// other would take a sixth of the step of eight sequences.
float largest_of(std::span<const float> values) {
  constexpr std::size_t kLanes = 8;
  std::array<float, kLanes> largest;
  largest.fill(-std::numeric_limits<float>::infinity());
  const std::size_t whole = values.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      largest[lane] = values[i + lane] > largest[lane] ? values[i + lane] : largest[lane];
    }
  }
  float result = std::ranges::max(largest);
  for (const float value : values.subspan(whole)) result = std::max(result, value);
  return result;
}

}  // namespace

TokenId most_likely(std::span<const float> logits) {
  const auto found = std::ranges::find(logits, largest_of(logits));
  // Where every logit is NaN, the first is as good as any.
  return found == logits.end() ? 0 : static_cast<TokenId>(std::distance(logits.begin(), found));
}

bool Sampler::likelier(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

TokenId Sampler::choose(std::span<const float> logits, const SamplingParams& params, double number) {
  const TokenId best = most_likely(logits);
  if (params.temperature == 0) return best;

  const float largest = logits[static_cast<std::size_t>(best)];
  candidates_.clear();
  for (std::size_t token = 0; token < logits.size(); ++token) {
    const float weight = std::exp((logits[token] - largest) / params.temperature);
    if (weight > 0 && weight >= params.min_p) candidates_.push_back({weight, static_cast<TokenId>(token)});
  }
  keep_top_k(params.top_k);
  keep_top_p(params.top_p);

  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  double rest = number * total;
  for (const Candidate& candidate : candidates_) {
    rest -= candidate.weight;
    if (rest < 0) return candidate.token;
  }
  return candidates_.back().token;  // Rounding left a remainder.
}

void Sampler::keep_top_k(std::int64_t top_k) {
  if (top_k <= 0 || top_k >= std::ssize(candidates_)) return;
  std::nth_element(candidates_.begin(), candidates_.begin() + top_k, candidates_.end(), likelier);
  candidates_.resize(static_cast<std::size_t>(top_k));
  std::ranges::sort(candidates_, likelier);  // Any order would do, but it must be the same with every library.
}

void Sampler::keep_top_p(float top_p) {
  if (top_p >= 1) return;
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;

  // Few tokens hold most of the mass: sort the head, and more of it only while it does not reach top_p.
  const double wanted = static_cast<double>(top_p) * total;
  double sum = 0;
  std::ptrdiff_t sorted = 0;
  for (std::ptrdiff_t i = 0; i < std::ssize(candidates_); ++i) {
    if (i == sorted) {
      sorted = std::min(std::max<std::ptrdiff_t>(64, 4 * sorted), std::ssize(candidates_));
      std::partial_sort(candidates_.begin() + i, candidates_.begin() + sorted, candidates_.end(), likelier);
    }
    sum += candidates_[static_cast<std::size_t>(i)].weight;
    if (sum >= wanted) {
      candidates_.resize(static_cast<std::size_t>(i) + 1);
      return;
    }
  }
}

}  // namespace gpuinfer::engine
