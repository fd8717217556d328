#include "runtime/text/merge_table.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>

namespace gpuinfer::text {
namespace {

constexpr std::uint32_t kNoMerge = UINT32_MAX;

/// Up to this many symbols, looking at every pair again after each merge is faster than keeping a heap.
constexpr std::size_t kFew = 48;

std::uint64_t pack(TokenId left, TokenId right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) | static_cast<std::uint32_t>(right);
}

/// A token of a piece that is being merged, in a list from left to right.
struct Link {
  TokenId token;
  std::size_t previous;
  std::size_t next;
};

constexpr std::size_t kEnd = SIZE_MAX;
constexpr TokenId kMergedAway = -1;

/// A merge that was possible when it was found. It still is if the two tokens are what they were.
struct Candidate {
  std::uint32_t rank;
  TokenId merged;
  std::size_t left;
  TokenId left_token;
  TokenId right_token;

  bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
};

}  // namespace

MergeTable::MergeTable(std::span<const Merge> merges) : slots_(std::bit_ceil(merges.size() + merges.size() / 2 + 1)) {
  constexpr std::size_t kAhead = 16;  // slots under way from memory
  for (std::size_t i = 0; i < merges.size(); ++i) {
    if (i + kAhead < merges.size()) {
      const Merge& later = merges[i + kAhead];
      __builtin_prefetch(&slots_[first_slot(pack(later.left, later.right))]);
    }
    const std::uint64_t pair = pack(merges[i].left, merges[i].right);
    slots_[slot_of(pair)] = {pair, merges[i].rank, merges[i].merged};
  }
}

/// Fibonacci hashing, as in token_map.cpp.
std::size_t MergeTable::first_slot(std::uint64_t pair) const {
  return ((pair * 0x9E3779B97F4A7C15) >> 32) & (slots_.size() - 1);
}

std::size_t MergeTable::slot_of(std::uint64_t pair) const {
  for (std::size_t at = first_slot(pair);; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].pair == pair || slots_[at].pair == kFree) return at;
  }
}

const MergeTable::Slot* MergeTable::find(TokenId left, TokenId right) const {
  const Slot& slot = slots_[slot_of(pack(left, right))];
  return slot.pair == kFree ? nullptr : &slot;
}

void MergeTable::apply(std::vector<TokenId>& symbols, std::size_t begin) const {
  const std::size_t count = symbols.size() - begin;
  TokenId* first = symbols.data() + begin;
  const std::size_t left = count <= kFew ? merge_few(first, count) : merge_many(first, count);
  symbols.resize(begin + left);
}

std::size_t MergeTable::merge_few(TokenId* symbols, std::size_t count) const {
  std::array<std::uint32_t, kFew> rank;  // of the merge of symbols[i] and symbols[i + 1]
  std::array<TokenId, kFew> merged;      // what it makes
  const auto look_up = [&](std::size_t i) {
    const Slot* slot = i + 1 < count ? find(symbols[i], symbols[i + 1]) : nullptr;
    rank[i] = slot ? slot->rank : kNoMerge;
    merged[i] = slot ? slot->merged : 0;
  };
  for (std::size_t i = 0; i < count; ++i) look_up(i);

  while (count > 1) {
    const std::size_t best =
        static_cast<std::size_t>(std::min_element(rank.begin(), rank.begin() + count) - rank.begin());
    if (rank[best] == kNoMerge) break;
    symbols[best] = merged[best];
    std::copy(symbols + best + 2, symbols + count, symbols + best + 1);
    std::copy(rank.begin() + best + 2, rank.begin() + count, rank.begin() + best + 1);
    std::copy(merged.begin() + best + 2, merged.begin() + count, merged.begin() + best + 1);
    --count;
    look_up(best);
    if (best > 0) look_up(best - 1);
  }
  return count;
}

std::size_t MergeTable::merge_many(TokenId* symbols, std::size_t count) const {
  std::vector<Link> links;
  links.reserve(count);
  for (std::size_t i = 0; i < count; ++i) links.push_back({symbols[i], i - 1, i + 1});
  links.front().previous = kEnd;
  links.back().next = kEnd;

  std::vector<Candidate> candidates;
  const auto consider = [&](std::size_t left) {
    if (left == kEnd || links[left].next == kEnd) return false;
    const TokenId left_token = links[left].token;
    const TokenId right_token = links[links[left].next].token;
    const Slot* slot = find(left_token, right_token);
    if (slot) candidates.push_back({slot->rank, slot->merged, left, left_token, right_token});
    return slot != nullptr;
  };
  const auto consider_later = [&](std::size_t left) {
    if (consider(left)) std::push_heap(candidates.begin(), candidates.end(), std::greater<>());
  };
  for (std::size_t i = 0; i < count; ++i) consider(i);
  std::make_heap(candidates.begin(), candidates.end(), std::greater<>());

  while (!candidates.empty()) {
    const Candidate best = candidates.front();
    std::pop_heap(candidates.begin(), candidates.end(), std::greater<>());
    candidates.pop_back();
    Link& left = links[best.left];
    if (left.token != best.left_token || left.next == kEnd || links[left.next].token != best.right_token) continue;
    Link& right = links[left.next];
    left.token = best.merged;
    left.next = right.next;
    right.token = kMergedAway;
    if (left.next != kEnd) links[left.next].previous = best.left;
    consider_later(best.left);
    consider_later(left.previous);
  }

  TokenId* out = symbols;
  for (std::size_t i = 0; i != kEnd; i = links[i].next) *out++ = links[i].token;
  return static_cast<std::size_t>(out - symbols);
}

}  // namespace gpuinfer::text
