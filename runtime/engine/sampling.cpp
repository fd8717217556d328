#include "runtime/engine/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/error.hpp"

namespace gpuinfer::engine {
namespace {

TokenId most_likely(std::span<const float> logits) {
  return static_cast<TokenId>(std::distance(logits.begin(), std::max_element(logits.begin(), logits.end())));
}

}  // namespace

double RandomStream::uniform() {
  state_ += 0x9E3779B97F4A7C15U;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

bool Sampler::likelier(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

TokenId Sampler::sample(std::span<const float> logits, const SamplingParams& params, RandomStream& random) {
  const TokenId best = most_likely(logits);
  const float largest = logits[static_cast<std::size_t>(best)];
  if (!std::isfinite(largest)) {
    throw Error("the model computed a logit that is not a finite number",
                "The weights are damaged, or their type overflows: check the file's checksum.");
  }
  if (params.temperature == 0) return best;

  candidates_.clear();
  for (std::size_t token = 0; token < logits.size(); ++token) {
    const float weight = std::exp((logits[token] - largest) / params.temperature);
    if (weight > 0 && weight >= params.min_p) candidates_.push_back({weight, static_cast<TokenId>(token)});
  }
  keep_top_k(params.top_k);
  keep_top_p(params.top_p);

  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  double rest = random.uniform() * total;
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
