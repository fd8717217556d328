#include "runtime/text/split_scanners.hpp"

#include "runtime/text/character_class.hpp"

namespace gpuinfer::text {
namespace {

using namespace character_class;

/// The end of `'s|'t|'re|'ve|'m|'ll|'d` at byte `at`, or `at` where there is none.
std::size_t skip_contraction(std::string_view text, std::size_t at, bool ignore_case) {
  constexpr std::string_view kLongS = "\xC5\xBF";  // U+017F, an "s" to patterns that ignore case
  if (at >= text.size() || text[at] != '\'') return at;
  const std::string_view rest = text.substr(at + 1);
  const auto letter = [&](std::size_t i) {
    if (i >= rest.size()) return '\0';
    const char c = rest[i];
    return ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  };
  switch (letter(0)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return at + 2;
    case 'r':
    case 'v':
      return letter(1) == 'e' ? at + 3 : at;
    case 'l':
      return letter(1) == 'l' ? at + 3 : at;
    default:
      return ignore_case && rest.starts_with(kLongS) ? at + 1 + kLongS.size() : at;
  }
}

/// `\s+(?!\S)|\s+`, and before them `\s*[\r\n]+` where `newlines_end` is set. White space begins at `begin`.
std::size_t skip_white_space(std::string_view text, std::size_t begin, bool newlines_end) {
  std::size_t after_newline = begin;
  std::size_t last = begin;  // the last character of the run
  std::size_t at = begin;
  while (at < text.size()) {
    const ClassifiedCharacter character = classify(text, at);
    if (!(character.character_class & kSpace)) break;
    last = at;
    at += character.length;
    if (character.character_class == kNewline) after_newline = at;
  }
  if (newlines_end && after_newline > begin) return after_newline;
  // Before something else, the last white space is left for that; not if it is all there is.
  return at == text.size() || last == begin ? at : last;
}

/// `\p{N}{1,count}` where a number begins at `begin`.
std::size_t skip_numbers(std::string_view text, std::size_t begin, int count) {
  std::size_t at = begin;
  for (; count > 0 && at < text.size(); --count) {
    const ClassifiedCharacter character = classify(text, at);
    if (character.character_class != kNumber) break;
    at += character.length;
  }
  return at;
}

/// ` ?[^\s\p{L}\p{N}]+`, or `begin` where there is none.
std::size_t skip_others(std::string_view text, std::size_t begin) {
  const std::size_t first = text[begin] == ' ' ? begin + 1 : begin;
  const std::size_t end = skip(text, first, kOther | kMark);
  return end > first ? end : begin;
}

std::size_t skip_bytes(std::string_view text, std::size_t at, std::string_view set) {
  while (at < text.size() && set.find(text[at]) != std::string_view::npos) ++at;
  return at;
}

std::size_t scan_gpt2(std::string_view text, std::size_t begin) {
  if (const std::size_t end = skip_contraction(text, begin, /*ignore_case=*/false); end > begin) return end;
  const std::size_t first = text[begin] == ' ' ? begin + 1 : begin;
  if (const std::size_t end = skip(text, first, kLetter); end > first) return end;
  if (const std::size_t end = skip(text, first, kNumber); end > first) return end;
  if (const std::size_t end = skip_others(text, begin); end > begin) return end;
  return skip_white_space(text, begin, /*newlines_end=*/false);
}

template <int kMaxDigits>
std::size_t scan_llama3(std::string_view text, std::size_t begin) {
  if (const std::size_t end = skip_contraction(text, begin, /*ignore_case=*/true); end > begin) return end;
  const ClassifiedCharacter first = classify(text, begin);
  if (first.character_class == kNumber) return skip_numbers(text, begin, kMaxDigits);
  const bool may_lead = !(first.character_class & (kLetter | kNewline));
  const std::size_t letters = may_lead ? begin + first.length : begin;
  if (const std::size_t end = skip(text, letters, kLetter); end > letters) return end;
  if (const std::size_t end = skip_others(text, begin); end > begin) return skip_bytes(text, end, "\r\n");
  return skip_white_space(text, begin, /*newlines_end=*/true);
}

/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`, or else
/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*`, without its backtracking: letters without case and
/// marks are in both sets. `begin` where neither matches. `second_matched` tells which did.
std::size_t skip_cased_word(std::string_view text, std::size_t begin, bool& second_matched) {
  constexpr std::uint8_t kBoth = kOtherLetter | kMark;
  std::size_t after_both = begin;
  std::size_t at = begin;
  second_matched = false;
  while (at < text.size()) {
    const ClassifiedCharacter character = classify(text, at);
    if (character.character_class == kLower) return skip(text, at, kLower | kBoth);
    if (!(character.character_class & (kUpper | kBoth))) break;
    at += character.length;
    if (character.character_class & kBoth) after_both = at;
  }
  if (after_both > begin) return after_both;
  second_matched = true;
  return at;
}

/// The first two alternatives of o200k without the contraction: a word with at most one character before it.
std::size_t skip_led_cased_word(std::string_view text, std::size_t begin, ClassifiedCharacter first) {
  const bool may_lead = !(first.character_class & (kLetter | kNumber | kNewline));
  const std::size_t word = may_lead ? begin + first.length : begin;
  bool second_matched = false;
  const std::size_t end = skip_cased_word(text, word, second_matched);
  // A mark can lead, and it can be the word: the first alternative is tried both ways before the second.
  if (first.character_class == kMark && second_matched) return word;
  return end > word ? end : begin;
}

template <int kMaxDigits, bool kContractions>
std::size_t scan_o200k(std::string_view text, std::size_t begin) {
  const ClassifiedCharacter first = classify(text, begin);
  if (first.character_class == kNumber) return skip_numbers(text, begin, kMaxDigits);
  if (const std::size_t end = skip_led_cased_word(text, begin, first); end > begin) {
    return kContractions ? skip_contraction(text, end, /*ignore_case=*/true) : end;
  }
  if (const std::size_t end = skip_others(text, begin); end > begin) return skip_bytes(text, end, "\r\n/");
  return skip_white_space(text, begin, /*newlines_end=*/true);
}

constexpr std::uint8_t kNotNumber = static_cast<std::uint8_t>(~kNumber);

std::size_t scan_digit(std::string_view text, std::size_t begin) {
  const ClassifiedCharacter first = classify(text, begin);
  return first.character_class == kNumber ? begin + first.length : skip(text, begin, kNotNumber);
}

std::size_t scan_digits(std::string_view text, std::size_t begin) {
  const std::size_t end = skip(text, begin, kNumber);
  return end > begin ? end : skip(text, begin, kNotNumber);
}

}  // namespace

SplitScanner find_split_scanner(std::string_view pattern) {
  using namespace split_pattern;
  if (pattern == kGpt2) return scan_gpt2;
  if (pattern == kDigit) return scan_digit;
  if (pattern == kDigits) return scan_digits;
  if (pattern == kLlama3) return scan_llama3<3>;
  if (pattern == kQwen2) return scan_llama3<1>;
  if (pattern == kO200k) return scan_o200k<3, true>;
  if (pattern == kTekken) return scan_o200k<1, false>;
  return nullptr;
}

}  // namespace gpuinfer::text
