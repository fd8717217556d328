// GPT-2's byte alphabet: a printable character for every byte, so that vocabulary files are text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gpuinfer::text {

/// The bytes that `spelling` stands for ("Ġthe" is " the"); nothing where it has a character outside the alphabet.
/// openai/gpt-2 encoder.py, bytes_to_unicode().
std::optional<std::string> bytes_of_spelling(std::string_view spelling);

}  // namespace gpuinfer::text
