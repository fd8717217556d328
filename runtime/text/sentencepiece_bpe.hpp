// Byte pair encoding that starts from characters and falls back to bytes, as SentencePiece does it (Llama 2, Gemma).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/merge_table.hpp"
#include "runtime/text/text_model.hpp"
#include "runtime/text/tokenizer_spec.hpp"
#include "runtime/text/whole_pieces.hpp"

namespace gpuinfer::text {

/// A whole prompt is one piece, so long ones are cut into words wherever no merge reaches across. Immutable.
class SentencePieceBpe : public TextModel {
 public:
  /// `tokens`: the spelling of each id, "" where text makes no such token; the ids of `bpe`'s merges are among them.
  SentencePieceBpe(const std::vector<std::string>& tokens, const BpeSpec& bpe, std::optional<TokenId> unknown,
                   bool byte_fallback);

  /// O(n log n) in the length of the piece.
  void encode(std::string_view piece, std::vector<TokenId>& ids) const override;

 private:
  void encode_word(std::string_view word, std::vector<TokenId>& ids) const;
  void merge(std::string_view word, std::vector<TokenId>& ids) const;
  /// The end of the word that begins at `begin`: before a space mark that no merge joins with what stands before it.
  std::size_t word_end(std::string_view piece, std::size_t begin) const;

  WholePieces whole_words_;
  MergeTable merges_;
  bool ignore_merges_;
  bool fuse_unknown_;
  std::optional<TokenId> unknown_;
  std::optional<std::array<TokenId, 256>> byte_tokens_;
  /// The bytes before a space mark with which a merge may join it.
  std::array<bool, 256> joins_space_mark_{};
};

}  // namespace gpuinfer::text
