#include "runtime/text/byte_alphabet.hpp"

#include <array>
#include <cstdint>

#include "runtime/text/utf8.hpp"

namespace gpuinfer::text {
namespace {

/// Printable Latin-1 stands for itself; the other 68 bytes are U+0100 and on, in order.
constexpr bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

/// The byte of each character of the alphabet, -1 for characters that are not in it.
constexpr std::size_t kAlphabetEnd = 0x144;

constexpr std::array<std::int16_t, kAlphabetEnd> make_byte_of_character() {
  std::array<std::int16_t, kAlphabetEnd> byte_of_character{};
  for (std::int16_t& byte : byte_of_character) byte = -1;
  std::size_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const std::size_t character = stands_for_itself(byte) ? static_cast<std::size_t>(byte) : next++;
    byte_of_character[character] = static_cast<std::int16_t>(byte);
  }
  return byte_of_character;
}

constexpr std::array<std::int16_t, kAlphabetEnd> kByteOfCharacter = make_byte_of_character();

}  // namespace

std::optional<std::string> bytes_of_spelling(std::string_view spelling) {
  std::string bytes;
  bytes.reserve(count_characters(spelling));
  while (!spelling.empty()) {
    const char first = spelling.front();
    if (first >= '!' && first <= '~') {
      bytes += first;
      spelling.remove_prefix(1);
      continue;
    }
    const Utf8Character character = first_character(spelling);
    const bool known = character.kind == Utf8Character::Kind::kValid && character.code_point < kAlphabetEnd;
    const int byte = known ? kByteOfCharacter[character.code_point] : -1;
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
    spelling.remove_prefix(character.length);
  }
  return bytes;
}

}  // namespace gpuinfer::text
