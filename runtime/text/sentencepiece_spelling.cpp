#include "runtime/text/sentencepiece_spelling.hpp"

#include <algorithm>
#include <charconv>

#include "runtime/text/replace_all.hpp"

namespace gpuinfer::text {

std::optional<std::uint8_t> byte_of_spelling(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling[5] != '>') return std::nullopt;
  std::uint8_t byte = 0;
  const char* end = spelling.data() + 5;
  const auto result = std::from_chars(spelling.data() + 3, end, byte, 16);
  return result.ec == std::errc() && result.ptr == end ? std::optional(byte) : std::nullopt;
}

std::string bytes_of_sentencepiece(std::string_view spelling) {
  if (const auto byte = byte_of_spelling(spelling)) return std::string(1, static_cast<char>(*byte));
  return replace_all(spelling, kSpaceMark, " ");
}

std::array<TokenId, 256> byte_tokens_of(const std::vector<std::string>& tokens) {
  std::array<TokenId, 256> byte_tokens;
  byte_tokens.fill(kNoToken);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (const auto byte = byte_of_spelling(tokens[i])) byte_tokens[*byte] = static_cast<TokenId>(i);
  }
  return byte_tokens;
}

bool append_bytes(const std::array<TokenId, 256>& byte_tokens, std::string_view character, std::vector<TokenId>& ids) {
  const auto token_of = [&](char byte) { return byte_tokens[static_cast<std::uint8_t>(byte)]; };
  if (std::any_of(character.begin(), character.end(), [&](char byte) { return token_of(byte) == kNoToken; })) {
    return false;
  }
  for (const char byte : character) ids.push_back(token_of(byte));
  return true;
}

}  // namespace gpuinfer::text
