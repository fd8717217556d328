// The heart of byte pair encoding: merges neighbours until no merge is left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/huge_pages.hpp"
#include "runtime/text/tokenizer_spec.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::text {

/// Immutable.
class MergeTable {
 public:
  /// Of merges of the same pair the last counts, as in `tokenizers`.
  explicit MergeTable(std::span<const Merge> merges);

  /// Merges the tokens of `symbols` from position `begin` on, as long as there are merges: the best first, the leftmost
  /// among equals. O(n log n).
  void apply(std::vector<TokenId>& symbols, std::size_t begin) const;

 private:
  /// What a pair of neighbours becomes.
  struct Slot {
    std::uint64_t pair = kFree;
    std::uint32_t rank = 0;
    TokenId merged = 0;
  };

  /// No pair: ids are not negative.
  static constexpr std::uint64_t kFree = UINT64_MAX;

  std::size_t first_slot(std::uint64_t pair) const;
  std::size_t slot_of(std::uint64_t pair) const;
  /// Null where the two do not merge.
  const Slot* find(TokenId left, TokenId right) const;
  std::size_t merge_few(TokenId* symbols, std::size_t count) const;
  std::size_t merge_many(TokenId* symbols, std::size_t count) const;

  std::vector<Slot, HugePageAllocator<Slot>> slots_;
};

}  // namespace gpuinfer::text
