// Names for the contents of KV pages: two pages with the same name hold the same keys and values.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/token.hpp"

namespace gpuinfer::engine {

/// SHA-256 over the hash of the block before, and the block's own tokens. Nobody can write a prompt that is taken for
/// another one.
using BlockHash = std::array<std::uint8_t, 32>;

/// For hash tables: its bytes are as good as random.
struct BlockHashHash {
  std::size_t operator()(const BlockHash& hash) const {
    std::size_t value = 0;
    std::memcpy(&value, hash.data(), sizeof value);
    return value;
  }
};

/// The hashes of a sequence's blocks, kPageTokens tokens each; each is computed once, when it is first asked for.
class BlockHashes {
 public:
  /// Sequences with different salts have no hash in common.
  explicit BlockHashes(std::string_view salt);

  /// The hash of block `index`, which must be whole. `tokens` are all of the sequence, and only grow.
  const BlockHash& at(std::int64_t index, std::span<const TokenId> tokens);

 private:
  BlockHash root_;
  std::vector<BlockHash> hashes_;
};

}  // namespace gpuinfer::engine
