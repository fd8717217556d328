#include "runtime/text/token_map.hpp"

#include <bit>
#include <cstring>

namespace gpuinfer::text {
namespace {

__extension__ using Wide = unsigned __int128;

/// Multiplies by the golden ratio (Knuth, TAOCP 6.4) and folds the product, so that every bit of the word counts in
/// every part of the result.
std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  const Wide product = static_cast<Wide>(hash ^ word) * 0x9E3779B97F4A7C15;
  return static_cast<std::uint64_t>(product >> 64) ^ static_cast<std::uint64_t>(product);
}

template <class Word>
std::uint64_t load(const char* bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

std::uint64_t hash_of(std::string_view bytes) {
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t hash = left;
  for (; left > 8; at += 8, left -= 8) hash = mix(hash, load<std::uint64_t>(at));
  if (left == 8) return mix(hash, load<std::uint64_t>(at));
  // The two loads may overlap.
  if (left >= 4) return mix(hash, load<std::uint32_t>(at) | (load<std::uint32_t>(at + left - 4) << 32));
  if (left >= 2) return mix(hash, load<std::uint16_t>(at) | (load<std::uint8_t>(at + left - 1) << 16));
  return left == 1 ? mix(hash, load<std::uint8_t>(at)) : hash;
}

}  // namespace

TokenMap::TokenMap(std::size_t count) : slots_(std::bit_ceil(count + count / 2 + 1)) {}

void TokenMap::insert(std::string_view bytes, TokenId id) {
  const std::uint64_t hash = hash_of(bytes);
  const auto tag = static_cast<std::uint32_t>(hash);
  std::size_t at = hash >> 32;
  for (;; ++at) {
    Slot& slot = slots_[at & (slots_.size() - 1)];
    if (slot.id == kNoToken) {
      slot = {tag, id, static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(bytes.size())};
      bytes_ += bytes;
      return;
    }
    if (slot.tag == tag && std::string_view(bytes_).substr(slot.offset, slot.length) == bytes) return;
  }
}

TokenId TokenMap::find(std::string_view bytes) const {
  const std::uint64_t hash = hash_of(bytes);
  const auto tag = static_cast<std::uint32_t>(hash);
  for (std::size_t at = hash >> 32;; ++at) {
    const Slot& slot = slots_[at & (slots_.size() - 1)];
    if (slot.id == kNoToken) return kNoToken;
    if (slot.tag == tag && std::string_view(bytes_).substr(slot.offset, slot.length) == bytes) return slot.id;
  }
}

}  // namespace gpuinfer::text
