// What the split patterns of tokenizers tell apart: letters, numbers, marks, white space and the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gpuinfer::text {

/// Classes of characters, one bit each, so that sets of them can be asked for. Every character has exactly one.
namespace character_class {

inline constexpr std::uint8_t kUpper = 1;        ///< \p{Lu} \p{Lt}
inline constexpr std::uint8_t kLower = 2;        ///< \p{Ll}
inline constexpr std::uint8_t kOtherLetter = 4;  ///< \p{Lm} \p{Lo}
inline constexpr std::uint8_t kMark = 8;         ///< \p{M}
inline constexpr std::uint8_t kNumber = 16;      ///< \p{N}
inline constexpr std::uint8_t kNewline = 32;     ///< \r \n
inline constexpr std::uint8_t kOtherSpace = 64;  ///< \s but for those
inline constexpr std::uint8_t kOther = 128;      ///< punctuation, symbols, control characters, unassigned ones

inline constexpr std::uint8_t kLetter = kUpper | kLower | kOtherLetter;
inline constexpr std::uint8_t kSpace = kNewline | kOtherSpace;

}  // namespace character_class

struct ClassifiedCharacter {
  std::uint8_t character_class;
  std::uint8_t length;  ///< in bytes
};

/// The character at byte `at` of a valid text, which is inside it.
ClassifiedCharacter classify(std::string_view text, std::size_t at);

/// The end of the run of characters of `classes` that begins at byte `at`.
std::size_t skip(std::string_view text, std::size_t at, std::uint8_t classes);

}  // namespace gpuinfer::text
