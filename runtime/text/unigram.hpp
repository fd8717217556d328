// SentencePiece's unigram language model.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/text_model.hpp"
#include "runtime/text/tokenizer_spec.hpp"
#include "runtime/text/trie.hpp"

namespace gpuinfer::text {

/// The most probable way to write a piece with the tokens of the vocabulary (Kudo 2018, arXiv:1804.10959), found with
/// Viterbi's algorithm as `tokenizers` does it (tokenizers/src/models/unigram/model.rs). Immutable.
class Unigram : public TextModel {
 public:
  /// `tokens`: the spelling of each id, "" where text makes no such token. Throws Error where `unigram` has not a score
  /// for each.
  Unigram(const std::vector<std::string>& tokens, const UnigramSpec& unigram, std::optional<TokenId> unknown,
          bool byte_fallback);

  /// O(n) in the length of the piece, times that of the longest token.
  void encode(std::string_view piece, std::vector<TokenId>& ids) const override;

 private:
  /// The best way to write a piece up to some byte ends with this token.
  struct Step {
    std::size_t begin = 0;
    TokenId token = kUnreached;
    double score = 0;
  };

  static constexpr TokenId kUnreached = -1;
  static constexpr TokenId kUnknown = -2;

  std::vector<Step> best_steps(std::string_view piece) const;
  void append_unknown(std::string_view characters, std::vector<TokenId>& ids) const;

  std::vector<double> scores_;
  Trie trie_;
  double unknown_score_;
  std::optional<TokenId> unknown_;
  std::optional<std::array<TokenId, 256>> byte_tokens_;
};

}  // namespace gpuinfer::text
