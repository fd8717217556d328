#include "runtime/engine/block_hash.hpp"

#include <openssl/sha.h>

#include "runtime/backend/backend.hpp"

namespace gpuinfer::engine {

BlockHashes::BlockHashes(std::string_view salt) {
  SHA256(reinterpret_cast<const unsigned char*>(salt.data()), salt.size(), root_.data());
}

const BlockHash& BlockHashes::at(std::int64_t index, std::span<const TokenId> tokens) {
  constexpr std::size_t kTokenBytes = backend::kPageTokens * sizeof(TokenId);
  while (std::ssize(hashes_) <= index) {
    const BlockHash& parent = hashes_.empty() ? root_ : hashes_.back();
    std::array<std::uint8_t, sizeof(BlockHash) + kTokenBytes> input;
    std::memcpy(input.data(), parent.data(), parent.size());
    std::memcpy(input.data() + parent.size(), tokens.data() + hashes_.size() * backend::kPageTokens, kTokenBytes);
    SHA256(input.data(), input.size(), hashes_.emplace_back().data());
  }
  return hashes_[static_cast<std::size_t>(index)];
}

}  // namespace gpuinfer::engine
