// Cuts text into the pieces (words, numbers, runs of white space) within which byte pairs may merge.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

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
/// openai/gpt-oss-20b tokenizer.json (o200k).
inline constexpr const char* kO200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

}  // namespace split_pattern

/// A chain of split patterns, compiled. Immutable, so threads may share it.
class PreTokenizer {
 public:
  /// Throws Error naming the pattern and the place in it where it is not a regular expression that we can compile.
  explicit PreTokenizer(const std::vector<std::string>& patterns);
  ~PreTokenizer();
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;

  /// The pieces of `text`, which is valid UTF-8, in order and without gaps. Each pattern sees only the piece that it
  /// cuts, so its lookahead ends there. Throws Error where a pattern backtracks without end.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  class Pattern;
  std::vector<Pattern> patterns_;
};

}  // namespace gpuinfer::text
