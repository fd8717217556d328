// What a tokenizer is, before it is made: the plain facts that both tokenizer.json and GGUF files are turned into.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/token.hpp"

namespace gpuinfer::text {

/// A token that is found in the text before anything else is done to it (`added_tokens` of tokenizer.json, the control
/// and user-defined tokens of GGUF). The flags are Hugging Face's.
struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool special = false;      ///< never made from a user's text, and left out when decoding for a user
  bool single_word = false;  ///< only where no letter, digit or underscore stands beside it
  bool lstrip = false;       ///< takes the white space before it along
  bool rstrip = false;       ///< takes the white space after it along
};

/// A byte-level BPE tokenizer.
struct TokenizerSpec {
  /// By id, spelled in GPT-2's byte alphabet (see byte_alphabet.hpp); "" where an id has no token.
  std::vector<std::string> tokens;
  /// Their contents take the place of what `tokens` says for the same id.
  std::vector<AddedToken> added_tokens;
  /// Best first, spelled as in `tokens`.
  std::vector<std::pair<std::string, std::string>> merges;
  /// Regular expressions (Oniguruma's syntax as the files have it), applied one after the other: each cuts every piece
  /// of the one before into its matches and what lies between them.
  std::vector<std::string> split_patterns;
  /// A piece that is a token becomes that token even where the merges would not make it.
  bool ignore_merges = false;
  /// What tokenizer.json's post-processor puts before a text (Llama 3: <|begin_of_text|>).
  std::vector<TokenId> prefix;
};

}  // namespace gpuinfer::text
