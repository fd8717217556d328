// Byte-level byte pair encoding: one piece of text to token ids.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/token.hpp"

namespace gpuinfer::text {

/// Sennrich et al. 2016 (arXiv:1508.07909) on bytes, as GPT-2 and Hugging Face's `tokenizers` do it: while there is a
/// pair of neighbours in the list of merges, the best (leftmost among equals) becomes one token. Immutable, so threads
/// may share it.
class ByteLevelBpe {
 public:
  /// `tokens`: the bytes of each id, "" where there is none; `merges`: best first, in bytes. `ignore_merges`: a piece
  /// that is a token becomes that token even where the merges would not make it. Throws Error where a merge has or
  /// makes something that is not a token.
  ByteLevelBpe(const std::vector<std::string>& tokens, const std::vector<std::pair<std::string, std::string>>& merges,
               bool ignore_merges);

  /// Appends the ids of `piece`. A byte that has no token is left out, as in `tokenizers`. O(n log n) in the length of
  /// the piece.
  void encode(std::string_view piece, std::vector<TokenId>& ids) const;

 private:
  /// Lets the map be asked with a string_view.
  struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  /// What a pair of neighbours becomes, and how early.
  struct Merge {
    std::uint32_t rank;
    TokenId token;
  };

  const Merge* find_merge(TokenId left, TokenId right) const;
  void merge_short(std::string_view piece, std::vector<TokenId>& ids) const;
  void merge_long(std::string_view piece, std::vector<TokenId>& ids) const;

  std::array<TokenId, 256> byte_tokens_;
  /// By the two ids, packed.
  std::unordered_map<std::uint64_t, Merge> merges_;
  /// Pieces whose encoding is one token: most of the words of a text need nothing but this.
  std::unordered_map<std::string, TokenId, StringHash, std::equal_to<>> whole_pieces_;
};

}  // namespace gpuinfer::text
