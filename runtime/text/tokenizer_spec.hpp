// What a tokenizer is, before it is made: the plain facts that both tokenizer.json and GGUF files are turned into.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/huge_pages.hpp"
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

/// How files write the bytes of a token.
enum class Spelling {
  kByteLevel,      ///< in GPT-2's byte alphabet ("Ġthe"; see byte_alphabet.hpp)
  kSentencePiece,  ///< as characters, with "▁" for a space, and "<0x0A>" for a byte without a character
};

/// Changes a text before it is cut into pieces.
namespace normalization {

/// Unicode Standard Annex 15.
enum class Form { kNfc, kNfd, kNfkc, kNfkd };

/// Puts `text` in front of every stretch of text between added tokens.
struct Prepend {
  std::string text;
  bool unless_present = false;  ///< not where the stretch begins with it
  bool only_first = false;      ///< only at the start of the whole text
};

struct Replace {
  std::string from;  ///< not empty
  std::string to;
};

using Step = std::variant<Form, Prepend, Replace>;

}  // namespace normalization

/// What becomes of the matches of a split pattern and of what lies between them.
enum class SplitBehavior {
  kIsolated,            ///< each is a piece
  kRemoved,             ///< matches are dropped
  kMergedWithPrevious,  ///< a match ends the piece before it
  kMergedWithNext,      ///< a match begins the piece after it
};

/// One pass over all pieces, each of which is cut on its own: a pattern's lookahead ends where the piece does.
struct Split {
  std::string pattern;  ///< a regular expression in Oniguruma's syntax, as the files have it
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  ///< what lies between the matches counts as the matches

  friend bool operator==(const Split&, const Split&) = default;
};

/// Two neighbours that become one token, the lowest rank first and the leftmost among equals.
struct Merge {
  TokenId left;
  TokenId right;
  TokenId merged;
  std::uint32_t rank;

  friend bool operator==(const Merge&, const Merge&) = default;
};

using Merges = std::vector<Merge, HugePageAllocator<Merge>>;

/// Byte pair encoding (Sennrich et al. 2016, arXiv:1508.07909).
struct BpeSpec {
  Merges merges;
  /// A piece that is a token becomes that token even where the merges would not make it.
  bool ignore_merges = false;
  /// Neighbouring unknown characters become one unknown token. SentencePiece's spelling only.
  bool fuse_unknown = false;
};

/// The most probable sequence of tokens (Kudo 2018, arXiv:1804.10959).
struct UnigramSpec {
  /// Logarithms of probabilities, by id.
  std::vector<double> scores;
};

struct TokenizerSpec {
  /// What the model makes of ordinary text, by id; "" where an id has no such token. Covers the ids of added tokens.
  std::vector<std::string> tokens;
  Spelling spelling = Spelling::kByteLevel;
  /// Their contents take the place of what `tokens` says for the same id.
  std::vector<AddedToken> added_tokens;

  std::vector<normalization::Step> normalization;
  std::vector<Split> splits;
  std::variant<BpeSpec, UnigramSpec> model;
  /// Stands for what has no token. Without it such characters are left out, as in `tokenizers`.
  std::optional<TokenId> unknown;
  /// Characters without a token become tokens of their bytes, where there are all of those. SentencePiece's spelling.
  bool byte_fallback = false;

  /// Decoding drops a space at the start, which normalization put there.
  bool strip_leading_space = false;
  /// What tokenizer.json's post-processor puts before a text (Llama 3: <|begin_of_text|>).
  std::vector<TokenId> prefix;
};

}  // namespace gpuinfer::text
