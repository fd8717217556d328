// A tokenizer small enough to check by hand.
#pragma once

#include <string>

#include "runtime/text/byte_alphabet.hpp"
#include "runtime/text/pre_tokenizer.hpp"
#include "runtime/text/tokenizer_spec.hpp"
#include "runtime/text/utf8.hpp"

namespace gpuinfer::text::testing {

/// GPT-2's spelling of a byte.
inline std::string spelling_of_byte(int byte) {
  for (char32_t c = 0x21; c < 0x144; ++c) {
    std::string spelling;
    append_utf8(spelling, c);
    if (bytes_of_spelling(spelling) == std::string(1, static_cast<char>(byte))) return spelling;
  }
  return "";
}

/// Tokens 0 to 255 are the bytes; then "he", "ll", "hell", "hello", " hello" (spelled "Ġhello"), and the added tokens
/// <|a|> (special) and <think>.
inline TokenizerSpec small_spec() {
  TokenizerSpec spec;
  for (int byte = 0; byte < 256; ++byte) spec.tokens.push_back(spelling_of_byte(byte));
  for (const char* token : {"he", "ll", "hell", "hello", "\u0120hello"}) spec.tokens.emplace_back(token);
  spec.merges = {{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"\u0120", "hello"}};
  spec.split_patterns = {split_pattern::kGpt2};
  AddedToken special;
  special.id = 261;
  special.content = "<|a|>";
  special.special = true;
  AddedToken think;
  think.id = 262;
  think.content = "<think>";
  spec.added_tokens = {special, think};
  spec.tokens.emplace_back("<|a|>");
  spec.tokens.emplace_back("<think>");
  return spec;
}

}  // namespace gpuinfer::text::testing
