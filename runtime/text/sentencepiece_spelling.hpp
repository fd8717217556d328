// How SentencePiece spells tokens as text.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/token_map.hpp"

namespace gpuinfer::text {

/// U+2581, which stands for a space.
inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

/// "<0x0A>" is the byte 10.
std::optional<std::uint8_t> byte_of_spelling(std::string_view spelling);

/// The bytes that a token stands for in a decoded text.
std::string bytes_of_sentencepiece(std::string_view spelling);

/// The tokens that stand for bytes, kNoToken for bytes without one. `tokens`: spellings by id.
std::array<TokenId, 256> byte_tokens_of(const std::vector<std::string>& tokens);

/// Appends the tokens of the bytes of `character`. False, and nothing is appended, where one of them has none.
bool append_bytes(const std::array<TokenId, 256>& byte_tokens, std::string_view character, std::vector<TokenId>& ids);

}  // namespace gpuinfer::text
