// How a token is chosen from its row of logits, told to a backend that does so itself.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/token.hpp"

namespace gpuinfer::backend {

/// What a request changes in the logit of one token, in this order.
struct LogitEdit {
  TokenId token = 0;
  float bias = 0;             ///< is added
  bool seen = false;          ///< in the prompt or the answer: the repetition penalty divides or multiplies
  bool forbidden = false;     ///< at last: the logit is -∞
  std::int32_t answered = 0;  ///< how often it is in the answer: the other penalties are subtracted
};

/// First the logits are edited, then temperature, min_p, top_k and top_p apply, in this order. Each has the meaning
/// that it has for the engine (engine::SamplingParams, engine::LogitAdjustments).
struct TokenSampling {
  /// Uniform in [0, 1): decides among the tokens that are left.
  double number = 0;
  float temperature = 1;  ///< 0: the largest logit, the lowest id among equals
  float min_p = 0;
  std::int64_t top_k = 0;
  float top_p = 1;
  float repetition_penalty = 1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  std::span<const LogitEdit> edits = {};  ///< each of another token
  /// Bit t % 32 of word t / 32 says whether token t may come, for all tokens of the vocabulary; empty: all may.
  std::span<const std::uint32_t> allowed = {};
  /// Only tokens below this id may come.
  std::int64_t generated_vocab_size = 0;
  /// The logprob of the chosen token is wanted.
  bool logprob = false;
};

/// What came of it.
struct SampledToken {
  /// Instead of a token: the largest logit of the row is no finite number.
  static constexpr TokenId kNotFinite = -1;
  /// Instead of a token: that of the tokens that may come is none.
  static constexpr TokenId kNoneAllowed = -2;

  TokenId id = 0;
  /// That of the model, before anything that a request asks for changes it; 0 where it is not wanted.
  float logprob = 0;

  bool operator==(const SampledToken&) const = default;
};

/// Words of a mask with a bit for each token.
constexpr std::int64_t mask_words(std::int64_t vocab_size) { return (vocab_size + 31) / 32; }

}  // namespace gpuinfer::backend
