// Byte pair encoding that starts from bytes, as GPT-2 introduced it.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/merge_table.hpp"
#include "runtime/text/text_model.hpp"
#include "runtime/text/whole_pieces.hpp"

namespace gpuinfer::text {

/// Immutable.
class ByteLevelBpe : public TextModel {
 public:
  /// `tokens`: the bytes of each id, "" where text makes no such token; the ids of `bpe`'s merges are among them.
  ByteLevelBpe(const std::vector<std::string>& tokens, const BpeSpec& bpe);

  /// A byte that has no token is left out, as in `tokenizers`. O(n log n) in the length of the piece.
  void encode(std::string_view piece, std::vector<TokenId>& ids) const override;

 private:
  void merge(std::string_view piece, std::vector<TokenId>& ids) const;

  std::array<TokenId, 256> byte_tokens_;
  MergeTable merges_;
  WholePieces whole_pieces_;
};

}  // namespace gpuinfer::text
