// What turns a piece of text into tokens.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/token.hpp"

namespace gpuinfer::text {

/// Implemented by ByteLevelBpe, SentencePieceBpe and Unigram. Immutable, so threads may share one.
class TextModel {
 public:
  virtual ~TextModel() = default;

  /// Appends the ids of `piece`: valid UTF-8, normalized and not cut any further.
  virtual void encode(std::string_view piece, std::vector<TokenId>& ids) const = 0;
};

}  // namespace gpuinfer::text
