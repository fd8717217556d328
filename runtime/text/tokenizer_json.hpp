// Reads Hugging Face's tokenizer.json.
#pragma once

#include <string>
#include <string_view>

#include "runtime/text/tokenizer_spec.hpp"

namespace gpuinfer::text {

/// The byte-level BPE tokenizer that `json` describes, with either spelling of merges ("a b" or ["a", "b"]). `name` is
/// the file's name for messages. Throws Error where the text is not such a file, and where it asks for something that
/// would change the ids and that we do not do (another model, a normalizer, an unknown pre-tokenizer).
TokenizerSpec parse_tokenizer_json(std::string_view json, const std::string& name);

}  // namespace gpuinfer::text
