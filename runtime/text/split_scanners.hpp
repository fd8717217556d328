// The split patterns of well-known models, written out by hand: many times faster than a regular expression.
#pragma once

#include <cstddef>
#include <string_view>

namespace gpuinfer::text {

/// The patterns that models are trained with, in Oniguruma's syntax as tokenizer.json files spell them.
namespace split_pattern {

/// openai/gpt-2 encoder.py; `use_regex` of Hugging Face's ByteLevel.
inline constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
/// Each digit alone: Hugging Face's Digits(individual_digits=True).
inline constexpr const char* kDigit = R"(\p{N})";
/// Runs of digits: Digits(individual_digits=False).
inline constexpr const char* kDigits = R"(\p{N}+)";
/// meta-llama/Meta-Llama-3-8B tokenizer.json.
inline constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// Qwen/Qwen2-7B tokenizer.json, and all Qwen models up to 3.
inline constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// openai/gpt-oss-20b tokenizer.json (o200k).
inline constexpr const char* kO200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// mistralai/Mistral-Nemo-Instruct-2407 tokenizer.json (tekken).
inline constexpr const char* kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

}  // namespace split_pattern

/// The end of the piece that begins at byte `begin` of a valid text, which is inside it. Pieces follow one another
/// without gaps: matches, and for kDigit and kDigits also what lies between them.
using SplitScanner = std::size_t (*)(std::string_view text, std::size_t begin);

/// The scanner of one of the patterns above; null for any other pattern.
SplitScanner find_split_scanner(std::string_view pattern);

}  // namespace gpuinfer::text
