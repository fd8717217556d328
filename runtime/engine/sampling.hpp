// How the next token is chosen from a row of logits.
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

/// The random numbers of one request (SplitMix64, Steele et al. 2014): they depend on nothing but the seed and how many
/// were drawn, so neither on the other requests nor on the standard library.
class RandomStream {
 public:
  explicit RandomStream(std::uint64_t seed) : state_(seed) {}

  /// Uniform in [0, 1), with 53 random bits.
  double uniform();

 private:
  std::uint64_t state_;
};

/// Chooses tokens for every request in turn; holds only working memory.
class Sampler {
 public:
  /// `logits` is a row of [vocab]. Draws one number from `random`, none if greedy. Throws Error where the largest logit
  /// is not a finite number.
  TokenId sample(std::span<const float> logits, const SamplingParams& params, RandomStream& random);

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

}  // namespace gpuinfer::engine
