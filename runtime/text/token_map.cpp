#include "runtime/text/token_map.hpp"

#include <array>
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

/// The first 8 bytes, or all of fewer: then no other text of that size has the same word.
std::uint64_t head_of(std::string_view bytes) {
  const char* at = bytes.data();
  const std::size_t size = bytes.size();
  if (size >= 8) return load<std::uint64_t>(at);
  // The two loads may overlap.
  if (size >= 4) return load<std::uint32_t>(at) | (load<std::uint32_t>(at + size - 4) << 32);
  if (size >= 2) return load<std::uint16_t>(at) | (load<std::uint8_t>(at + size - 1) << 16);
  return size == 1 ? load<std::uint8_t>(at) : 0;
}

/// Of texts of the same size.
bool are_equal(const char* left, const char* right, std::size_t size) {
  for (; size > 8; left += 8, right += 8, size -= 8) {
    if (load<std::uint64_t>(left) != load<std::uint64_t>(right)) return false;
  }
  return head_of({left, size}) == head_of({right, size});
}

}  // namespace

TokenMap::TokenMap(std::span<const std::string> tokens) : slots_(std::bit_ceil(tokens.size() + tokens.size() / 2 + 1)) {
  offsets_.reserve(tokens.size());
  constexpr std::size_t kAhead = 16;  // slots on their way from memory
  std::array<Hash, kAhead> hashes{};
  for (std::size_t i = 0; i < tokens.size() + kAhead; ++i) {
    Hash& hash = hashes[i % kAhead];
    if (i >= kAhead) insert(tokens[i - kAhead], hash);
    if (i >= tokens.size()) continue;
    hash = TokenMap::hash(tokens[i]);
    prefetch_slot(hash);
  }
}

void TokenMap::insert(std::string_view bytes, Hash hash) {
  const auto id = static_cast<TokenId>(offsets_.size());
  offsets_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  if (bytes.empty()) return;
  Slot& slot = slots_[slot_of(bytes, hash)];
  if (slot.id != kNoToken) return;
  slot = {head_of(bytes), id, static_cast<std::uint32_t>(bytes.size())};
  bytes_ += bytes;
}

TokenMap::Hash TokenMap::hash(std::string_view bytes) {
  std::uint64_t hash = bytes.size();
  for (; bytes.size() > 8; bytes.remove_prefix(8)) hash = mix(hash, head_of(bytes));
  return mix(hash, head_of(bytes));
}

std::size_t TokenMap::slot_of(std::string_view bytes, Hash hash) const {
  const std::uint64_t head = head_of(bytes);
  for (std::size_t at = first_slot(hash);; at = (at + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[at];
    if (slot.id == kNoToken) return at;
    if (slot.head != head || slot.size != bytes.size()) continue;
    if (bytes.size() <= 8 || are_equal(rest_of(slot), bytes.data() + 8, bytes.size() - 8)) return at;
  }
}

}  // namespace gpuinfer::text
