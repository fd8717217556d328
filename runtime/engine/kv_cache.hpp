// Which sequence has its keys and values in which pages, and which pages sequences share.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/engine/page_pool.hpp"
#include "runtime/engine/sequence.hpp"

namespace gpuinfer::engine {

using backend::pages_for;

/// A sequence holds pages for what it has computed, in layers with a sliding window only for what the window still
/// reaches. Whole pages are remembered by the tokens up to their end, and whoever begins with the same tokens shares
/// them: they are never written again.
class KvCache {
 public:
  explicit KvCache(const std::vector<backend::KvGroup>& groups, bool reuse_prefixes = true);
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  bool reuses_prefixes() const { return reuse_prefixes_; }
  const std::vector<backend::KvGroup>& groups() const { return groups_; }
  /// Pages that sequences hold, in all groups.
  std::int64_t held() const;
  /// The share of pages that is held in the fullest group, 0 to 1.
  double usage() const;

  /// Whether a sequence of so many tokens can be computed, `slice_tokens` at a time, with all pages for itself.
  bool can_hold(std::int64_t tokens, std::int64_t slice_tokens) const;
  /// Whether there are pages for the tokens of `candidate` beside those that `running` will take for theirs, and one
  /// more for each of these to grow into.
  bool has_room(const Sequence& candidate, std::span<Sequence* const> running) const;

  /// Shares the pages of further tokens that are remembered, and moves `computed` on to their end, except for the last
  /// token: computing it gives the next one.
  void reuse(Sequence& sequence);
  /// Takes pages for the next `tokens` tokens. False, and nothing changed, where a group has too few.
  bool reserve(Sequence& sequence, std::int64_t tokens);
  /// The backend computes `tokens` more before anything that it is given later: remembers whole pages and lets go of
  /// what no window reaches any more.
  void advance(Sequence& sequence, std::int64_t tokens);
  /// Gives all pages back; nothing of the sequence is computed any more.
  void release(Sequence& sequence);
  /// Remembers no page any more: the backend failed, and nobody knows what they contain.
  void forget();

 private:
  std::int64_t first_visible_block(std::size_t group, std::int64_t position) const;
  std::int64_t missing_pages(const Sequence& sequence, std::size_t group) const;
  std::int64_t reusable_blocks(Sequence& sequence) const;
  void remember_whole_blocks(Sequence& sequence);
  void release_behind_window(Sequence& sequence, std::size_t group);

  std::vector<backend::KvGroup> groups_;
  std::vector<PagePool> pools_;  ///< of each group
  bool reuse_prefixes_;
};

}  // namespace gpuinfer::engine
