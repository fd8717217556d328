// UTF-8 as Rust and Python read it: what is valid, where characters begin, and what counts as white space.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gpuinfer::text {

/// U+FFFD, which stands for what is not UTF-8.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

/// How the bytes at the start of a text read.
struct Utf8Character {
  enum class Kind {
    kValid,       ///< `length` bytes are the character `code_point`
    kInvalid,     ///< `length` bytes are not UTF-8, whatever follows; one U+FFFD stands for all of them
    kIncomplete,  ///< the text ends inside what may become a character; `length` is all of it
  };
  Kind kind = Kind::kInvalid;
  std::size_t length = 0;
  char32_t code_point = 0;
};

/// Reads the first character of `text`, which is not empty. Invalid bytes are grouped as "maximal subparts"
/// (Unicode 3.9, table 3-8), as Rust's String::from_utf8_lossy and Python's errors="replace" group them.
Utf8Character first_character(std::string_view text);

/// `text` with everything that is not UTF-8 replaced by U+FFFD.
std::string to_valid_utf8(std::string_view text);

/// Length of the end of `text` that may become a character when more bytes come: 0 to 3.
std::size_t incomplete_suffix_length(std::string_view text);

/// Number of characters of a valid text.
std::size_t count_characters(std::string_view text);

void append_utf8(std::string& text, char32_t code_point);

/// Python's str.isspace() for one character, which is what strip() and Jinja's white space control remove.
bool is_white_space(char32_t code_point);

/// Length of `text` in bytes without the white space at its end.
std::size_t length_without_trailing_space(std::string_view text);

/// Length in bytes of the white space at the start of `text`.
std::size_t leading_space_length(std::string_view text);

}  // namespace gpuinfer::text
