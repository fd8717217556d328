#include "runtime/text/character_class.hpp"

#include <utf8proc.h>

#include <array>

namespace gpuinfer::text {
namespace {

using namespace character_class;

constexpr std::array<std::uint8_t, 128> make_ascii_classes() {
  std::array<std::uint8_t, 128> classes{};
  for (std::uint8_t& one : classes) one = kOther;
  for (std::size_t c = 'A'; c <= 'Z'; ++c) classes[c] = kUpper;
  for (std::size_t c = 'a'; c <= 'z'; ++c) classes[c] = kLower;
  for (std::size_t c = '0'; c <= '9'; ++c) classes[c] = kNumber;
  for (const char c : {' ', '\t', '\v', '\f'}) classes[static_cast<std::size_t>(c)] = kOtherSpace;
  classes['\r'] = classes['\n'] = kNewline;
  return classes;
}

constexpr std::array<std::uint8_t, 128> kAsciiClasses = make_ascii_classes();

/// By utf8proc_category_t.
constexpr std::array<std::uint8_t, 30> make_category_classes() {
  std::array<std::uint8_t, 30> classes{};
  for (std::uint8_t& one : classes) one = kOther;
  classes[UTF8PROC_CATEGORY_LU] = classes[UTF8PROC_CATEGORY_LT] = kUpper;
  classes[UTF8PROC_CATEGORY_LL] = kLower;
  classes[UTF8PROC_CATEGORY_LM] = classes[UTF8PROC_CATEGORY_LO] = kOtherLetter;
  classes[UTF8PROC_CATEGORY_MN] = classes[UTF8PROC_CATEGORY_MC] = classes[UTF8PROC_CATEGORY_ME] = kMark;
  classes[UTF8PROC_CATEGORY_ND] = classes[UTF8PROC_CATEGORY_NL] = classes[UTF8PROC_CATEGORY_NO] = kNumber;
  classes[UTF8PROC_CATEGORY_ZS] = classes[UTF8PROC_CATEGORY_ZL] = classes[UTF8PROC_CATEGORY_ZP] = kOtherSpace;
  return classes;
}

constexpr std::array<std::uint8_t, 30> kCategoryClasses = make_category_classes();

constexpr utf8proc_int32_t kNextLine = 0x85;  // a control character that \s includes

std::uint8_t class_of(utf8proc_int32_t code_point) {
  if (code_point == kNextLine) return kOtherSpace;
  return kCategoryClasses[static_cast<std::size_t>(utf8proc_category(code_point))];
}

}  // namespace

ClassifiedCharacter classify(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[at + i]); };
  const auto low_bits = [&](std::size_t i) { return byte(i) & 0x3F; };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return {kAsciiClasses[lead], 1};
  if (lead < 0xE0) return {class_of((lead & 0x1F) << 6 | low_bits(1)), 2};
  if (lead < 0xF0) return {class_of((lead & 0x0F) << 12 | low_bits(1) << 6 | low_bits(2)), 3};
  return {class_of((lead & 0x07) << 18 | low_bits(1) << 12 | low_bits(2) << 6 | low_bits(3)), 4};
}

std::size_t skip(std::string_view text, std::size_t at, std::uint8_t classes) {
  while (at < text.size()) {
    const ClassifiedCharacter character = classify(text, at);
    if (!(character.character_class & classes)) break;
    at += character.length;
  }
  return at;
}

}  // namespace gpuinfer::text
