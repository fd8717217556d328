// The pieces of text that become one token: most of the words of a text.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/token_map.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::text {

/// Saves byte pair encoding the merges of pieces that are tokens. Not every token is what the merges make of its own
/// text; which are, is found out when a token is first met, because a vocabulary is large and a server starts more
/// often than most of it is used. Threads may share one.
class WholePieces {
 public:
  /// `tokens`: what each id stands for, "" where there is none. `ignore_merges`: each token is its text's encoding.
  WholePieces(const std::vector<std::string>& tokens, bool ignore_merges)
      : ids_(tokens), kinds_(tokens.size()), unknown_(ignore_merges ? Kind::kWhole : Kind::kUnknown) {}

  /// Appends the ids of `piece`, where need be with `merge(piece, ids)`, which appends what the merges make of it.
  template <class MergePiece>
  void encode(std::string_view piece, std::vector<TokenId>& ids, MergePiece merge) const {
    const TokenId id = ids_.find(piece);
    if (id == kNoToken) {
      merge(piece, ids);
      return;
    }
    std::atomic<Kind>& kind = kinds_[static_cast<std::size_t>(id)];
    Kind known = kind.load(std::memory_order_relaxed);
    if (known == Kind::kUnknown) known = unknown_;
    if (known == Kind::kWhole) {
      ids.push_back(id);
      return;
    }
    const std::size_t begin = ids.size();
    merge(piece, ids);
    const bool is_whole = ids.size() == begin + 1 && ids.back() == id;
    kind.store(is_whole ? Kind::kWhole : Kind::kMerged, std::memory_order_relaxed);
  }

  /// The token that is `piece`, whatever the merges make of it; kNoToken where there is none.
  TokenId find(std::string_view piece) const { return ids_.find(piece); }

 private:
  enum class Kind : std::uint8_t { kUnknown, kWhole, kMerged };

  TokenMap ids_;
  mutable std::vector<std::atomic<Kind>> kinds_;  // by id
  Kind unknown_;                                  // what kUnknown means
};

}  // namespace gpuinfer::text
