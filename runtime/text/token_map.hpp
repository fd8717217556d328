// Finds tokens by their bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/huge_pages.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::text {

inline constexpr TokenId kNoToken = -1;

/// A hash table made once for a vocabulary, then only read: most pieces of a text cost one look into it.
class TokenMap {
 public:
  /// `tokens`: the bytes of each id, "" where there is none. Of tokens with the same bytes the first is found.
  explicit TokenMap(std::span<const std::string> tokens);

  /// kNoToken where there is none.
  TokenId find(std::string_view bytes) const { return find(bytes, hash(bytes)); }

  /// Looking up many at once: a look-up waits for memory, but the waits of several pass together when first all are
  /// hashed, then all prefetch_slot(), then all prefetch_rest(), then all find().
  using Hash = std::uint64_t;
  static Hash hash(std::string_view bytes);
  void prefetch_slot(Hash hash) const { __builtin_prefetch(&slots_[first_slot(hash)]); }
  void prefetch_rest(Hash hash) const {
    const Slot& slot = slots_[first_slot(hash)];
    if (slot.size > 8) __builtin_prefetch(rest_of(slot));
  }
  TokenId find(std::string_view bytes, Hash hash) const { return slots_[slot_of(bytes, hash)].id; }

 private:
  /// 16 bytes, so that a cache line holds four; most tokens are in it whole.
  struct Slot {
    std::uint64_t head = 0;  ///< the first 8 bytes
    TokenId id = kNoToken;
    std::uint32_t size = 0;
  };

  void insert(std::string_view bytes, Hash hash);
  std::size_t first_slot(Hash hash) const { return (hash >> 32) & (slots_.size() - 1); }
  /// Which slot it has, or would have: a free one.
  std::size_t slot_of(std::string_view bytes, Hash hash) const;
  /// The bytes after the first 8.
  const char* rest_of(const Slot& slot) const {
    return bytes_.data() + offsets_[static_cast<std::size_t>(slot.id)] + 8;
  }

  std::string bytes_;                   // of all tokens that have a slot
  std::vector<std::uint32_t> offsets_;  // in bytes_, by id
  std::vector<Slot, HugePageAllocator<Slot>> slots_;
};

}  // namespace gpuinfer::text
