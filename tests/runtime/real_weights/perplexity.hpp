// How well a model predicts a text, by the rule of llama.cpp's llama-perplexity.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "runtime/backend/backend.hpp"

namespace gpuinfer::backend {

struct Perplexity {
  /// exp of the mean negative log-likelihood.
  double value = 0;
  /// How many tokens were predicted.
  std::int64_t tokens = 0;
};

/// `ids` are cut into pieces of `context` tokens, what remains at the end is left out; `bos` takes the place of the
/// first of each piece where it is given. Within a piece the tokens of the second half but its first are predicted from
/// all before them.
Perplexity measure_perplexity(Backend& backend, std::span<const TokenId> ids, std::size_t context,
                              std::optional<TokenId> bos);

}  // namespace gpuinfer::backend
