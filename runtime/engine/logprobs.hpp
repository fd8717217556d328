// How likely a token was, and which were likeliest: logarithms of the model's own probabilities, before anything that a
// request asks for changes them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/token.hpp"

namespace gpuinfer::engine {

struct TokenLogprob {
  TokenId id = 0;
  float logprob = 0;
  /// 1 for the likeliest token; tokens with equal logits have the same rank. 0: not counted, where a backend sampled
  /// the token and no other's logprob was asked for.
  std::int64_t rank = 0;

  bool operator==(const TokenLogprob&) const = default;
};

struct Logprobs {
  TokenLogprob token;
  /// The likeliest first, the lower id among equals.
  std::vector<TokenLogprob> top = {};

  bool operator==(const Logprobs&) const = default;
};

/// Of `token` and of the `top` likeliest tokens, from a row of [vocab].
Logprobs logprobs_of(std::span<const float> logits, TokenId token, std::int64_t top);

}  // namespace gpuinfer::engine
