// Finds tokens by their bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/token.hpp"

namespace gpuinfer::text {

inline constexpr TokenId kNoToken = -1;

/// A hash table made once for a vocabulary, then only read: most pieces of a text cost one look into it.
class TokenMap {
 public:
  /// Room for `count` tokens.
  explicit TokenMap(std::size_t count);

  /// The first token with the same bytes stays. Not to be called more than `count` times.
  void insert(std::string_view bytes, TokenId id);

  /// kNoToken where there is none.
  TokenId find(std::string_view bytes) const;

 private:
  /// 16 bytes, so that a cache line holds four.
  struct Slot {
    std::uint32_t tag = 0;
    TokenId id = kNoToken;
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
  };

  std::string bytes_;
  std::vector<Slot> slots_;
};

}  // namespace gpuinfer::text
