// A tokenizer small enough to check by hand.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/text/byte_alphabet.hpp"
#include "runtime/text/merges.hpp"
#include "runtime/text/split_scanners.hpp"
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

/// A vocabulary and its merges, to which tests add some.
struct SmallVocabulary {
  std::vector<std::string> tokens;
  std::vector<std::pair<std::string, std::string>> merges;

  BpeSpec bpe(bool ignore_merges = false) const {
    MergeReader reader(tokens, merges.size());
    for (const auto& [left, right] : merges) reader.add(left, right);
    return {.merges = reader.take(), .ignore_merges = ignore_merges};
  }
};

/// Tokens 0 to 255 are the bytes; then "he", "ll", "hell", "hello", " hello" (spelled "Ġhello"), and the added tokens
/// <|a|> (special) and <think>.
inline SmallVocabulary small_vocabulary() {
  SmallVocabulary vocabulary;
  for (int byte = 0; byte < 256; ++byte) vocabulary.tokens.push_back(spelling_of_byte(byte));
  for (const char* token : {"he", "ll", "hell", "hello", "\u0120hello", "<|a|>", "<think>"}) {
    vocabulary.tokens.emplace_back(token);
  }
  vocabulary.merges = {{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"\u0120", "hello"}};
  return vocabulary;
}

inline TokenizerSpec small_spec(const SmallVocabulary& vocabulary = small_vocabulary(), bool ignore_merges = false) {
  TokenizerSpec spec;
  spec.tokens = vocabulary.tokens;
  spec.model = vocabulary.bpe(ignore_merges);
  spec.splits = {{split_pattern::kGpt2}};
  AddedToken special;
  special.id = 261;
  special.content = "<|a|>";
  special.special = true;
  AddedToken think;
  think.id = 262;
  think.content = "<think>";
  spec.added_tokens = {special, think};
  return spec;
}

}  // namespace gpuinfer::text::testing
