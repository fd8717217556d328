// Reads Hugging Face's tokenizer.json.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "runtime/text/tokenizer_spec.hpp"

namespace gpuinfer::text {

/// The tokenizer that `json` describes: BPE, byte-level or SentencePiece's, with either spelling of merges ("a b" or
/// ["a", "b"]), or Unigram. `name` is the file's name for messages. Throws Error where the text is not such a file, and
/// where it asks for something that would change the ids and that we do not do (another model, normalizer,
/// pre-tokenizer or decoder).
TokenizerSpec parse_tokenizer_json(std::string_view json, const std::string& name);

/// The same from a file. Throws Error as above, and where it cannot be read.
TokenizerSpec read_tokenizer_json(const std::filesystem::path& file);

}  // namespace gpuinfer::text
