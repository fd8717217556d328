// What a request changes in the logits before a token is chosen: penalties, biases, and tokens that must not come.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "runtime/backend/token_sampling.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::engine {

/// Applied in this order: bias, repetition, presence and frequency penalty, then what is forbidden. Meaning and names
/// are OpenAI's and vLLM's.
struct LogitAdjustments {
  /// Added to the logits of these tokens.
  std::vector<std::pair<TokenId, float>> logit_bias = {};
  /// Divides positive logits of tokens in the prompt or the answer, and multiplies negative ones (Keskar et al., 2019).
  float repetition_penalty = 1;
  /// Subtracted from the logit of each token in the answer.
  float presence_penalty = 0;
  /// Subtracted once for every time that the token is in the answer.
  float frequency_penalty = 0;
  /// No other tokens may come; empty: all may.
  std::vector<TokenId> allowed_tokens = {};
  /// Sequences of tokens that must not come, none of them empty.
  std::vector<std::vector<TokenId>> bad_words = {};
  /// Tokens that the answer has at least: until then no stop token may come.
  std::int64_t min_tokens = 0;

  /// Whether there is anything to adjust after `generated` tokens.
  bool any(std::int64_t generated) const;
  /// Whether that depends on which tokens they are.
  bool look_back() const;
};

/// Where a sequence stands.
struct History {
  std::span<const TokenId> prompt;
  std::span<const TokenId> generated;
  std::span<const TokenId> stop_tokens;
  /// Generated ones behind these that nobody knows yet: only for adjustments that do not look back.
  std::int64_t promised = 0;
};

/// What the adjustments come to for the next token, but for `allowed_tokens`. Token ids may lie outside the vocabulary.
std::vector<backend::LogitEdit> edits_of(const LogitAdjustments& adjustments, const History& history);

/// A bit for each token of the vocabulary; token ids outside it are passed over. Empty where all tokens may come.
std::vector<std::uint32_t> allowed_mask(const LogitAdjustments& adjustments, std::int64_t vocab_size);

/// Changes a row of [vocab]; a forbidden token's logit is −∞. Token ids outside the row are passed over.
void adjust(std::span<float> logits, const LogitAdjustments& adjustments, const History& history);

}  // namespace gpuinfer::engine
