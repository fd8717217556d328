// How a token is chosen from a row of logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/token.hpp"

namespace gpuinfer::engine {

/// Applied in this order: temperature, min_p, top_k, top_p.
struct SamplingParams {
  /// Divides the logits. 0 is greedy: the largest logit, the lowest id among equals.
  float temperature = 1;
  /// Keeps the tokens that are at least `min_p` times as likely as the likeliest one.
  float min_p = 0;
  /// Keeps the `top_k` likeliest tokens; 0 keeps all.
  std::int64_t top_k = 0;
  /// Keeps the fewest likeliest tokens whose probabilities add up to `top_p`; always at least one.
  float top_p = 1;
  /// The same seed, prompt and parameters give the same tokens.
  std::uint64_t seed = 0;
};

/// Chooses tokens for every request in turn; holds only working memory.
class Sampler {
 public:
  /// The token that `number`, uniform in [0, 1), falls on. `logits` is a row of [vocab] whose largest is finite.
  TokenId choose(std::span<const float> logits, const SamplingParams& params, double number);

 private:
  struct Candidate {
    float weight;  ///< Its probability, relative to that of the likeliest token.
    TokenId token;
  };

  static bool likelier(const Candidate& a, const Candidate& b);
  void keep_top_k(std::int64_t top_k);
  void keep_top_p(float top_p);

  std::vector<Candidate> candidates_;
};

/// The largest logit's token, the lowest id among equals.
TokenId most_likely(std::span<const float> logits);

}  // namespace gpuinfer::engine
