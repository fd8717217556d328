#include "runtime/text/utf8.hpp"

#include <algorithm>
#include <cstdint>

namespace gpuinfer::text {
namespace {

/// What a lead byte promises: how many bytes follow, and the range of the first of them (Unicode 3.9, table 3-7).
struct Lead {
  std::size_t following = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xBF;
};

bool is_lead(std::uint8_t byte, Lead& lead) {
  if (byte >= 0xC2 && byte <= 0xDF)
    lead = {1};
  else if (byte == 0xE0)
    lead = {2, 0xA0, 0xBF};
  else if (byte == 0xED)
    lead = {2, 0x80, 0x9F};
  else if (byte >= 0xE1 && byte <= 0xEF)
    lead = {2};
  else if (byte == 0xF0)
    lead = {3, 0x90, 0xBF};
  else if (byte >= 0xF1 && byte <= 0xF3)
    lead = {3};
  else if (byte == 0xF4)
    lead = {3, 0x80, 0x8F};
  else
    return false;
  return true;
}

bool is_continuation(char byte) { return (static_cast<std::uint8_t>(byte) & 0xC0) == 0x80; }

}  // namespace

Utf8Character first_character(std::string_view text) {
  using Kind = Utf8Character::Kind;
  const auto first = static_cast<std::uint8_t>(text[0]);
  if (first < 0x80) return {Kind::kValid, 1, first};
  Lead lead;
  if (!is_lead(first, lead)) return {Kind::kInvalid, 1};
  char32_t code_point = first & (0x3FU >> lead.following);
  for (std::size_t i = 1; i <= lead.following; ++i) {
    if (i == text.size()) return {Kind::kIncomplete, i};
    const auto byte = static_cast<std::uint8_t>(text[i]);
    const bool in_range = i == 1 ? byte >= lead.low && byte <= lead.high : is_continuation(text[i]);
    if (!in_range) return {Kind::kInvalid, i};
    code_point = (code_point << 6) | (byte & 0x3FU);
  }
  return {Kind::kValid, lead.following + 1, code_point};
}

std::string to_valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  std::size_t copied = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<std::uint8_t>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Character character = first_character(text.substr(at));
    if (character.kind != Utf8Character::Kind::kValid) {
      (valid += text.substr(copied, at - copied)) += kReplacementCharacter;
      copied = at + character.length;
    }
    at += character.length;
  }
  return valid += text.substr(copied);
}

std::size_t incomplete_suffix_length(std::string_view text) {
  for (std::size_t length = 1; length <= std::min<std::size_t>(3, text.size()); ++length) {
    const std::string_view suffix = text.substr(text.size() - length);
    if (is_continuation(suffix[0])) continue;
    return first_character(suffix).kind == Utf8Character::Kind::kIncomplete ? length : 0;
  }
  return 0;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return !is_continuation(byte); }));
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto continuation = [&](int shift) { text += static_cast<char>(0x80U | ((code_point >> shift) & 0x3FU)); };
  if (code_point < 0x80) {
    text += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    text += static_cast<char>(0xC0U | (code_point >> 6));
    continuation(0);
  } else if (code_point < 0x10000) {
    text += static_cast<char>(0xE0U | (code_point >> 12));
    continuation(6);
    continuation(0);
  } else {
    text += static_cast<char>(0xF0U | (code_point >> 18));
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::size_t length_without_trailing_space(std::string_view text) {
  while (!text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && is_continuation(text[start])) --start;
    if (!is_white_space(first_character(text.substr(start)).code_point)) break;
    text = text.substr(0, start);
  }
  return text.size();
}

std::size_t leading_space_length(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size()) {
    const Utf8Character character = first_character(text.substr(length));
    if (!is_white_space(character.code_point)) break;
    length += character.length;
  }
  return length;
}

}  // namespace gpuinfer::text
