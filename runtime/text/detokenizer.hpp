// Token ids to text while they are being generated: a character comes out when its last byte is there.
#pragma once

#include <string>

#include "runtime/text/tokenizer.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::text {

/// The pieces that add() and finish() return, put together, are what Tokenizer::decode() makes of all the ids; but the
/// text goes on after a prompt, so the space at its start that decode() may drop is kept.
class Detokenizer {
 public:
  /// `tokenizer` outlives the detokenizer.
  explicit Detokenizer(const Tokenizer& tokenizer, SpecialTokens special = SpecialTokens::kSkip)
      : tokenizer_(&tokenizer), special_(special) {}

  /// The characters that `id` completes; often "", never part of a character. Throws Error for an id that is not in the
  /// vocabulary.
  std::string add(TokenId id);

  /// What is left at the end: "", or U+FFFD for a character that was never completed.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  SpecialTokens special_;
  std::string pending_;
};

}  // namespace gpuinfer::text
