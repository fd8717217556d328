// What the two layouts of a model have in common about its text: private to model_text.cpp and the readers of the
// layouts.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/text/tokenizer_spec.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::server {

/// The facts as the files state them.
struct TextSource {
  text::TokenizerSpec tokenizer;
  std::optional<std::string> chat_template;
  /// Where the chat template came from, for messages.
  std::string chat_template_origin;
  /// The special tokens that a chat template may name: "bos_token" and so on, with their content.
  std::map<std::string, std::string> special_tokens;
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::vector<TokenId> stop_ids;
  bool add_bos = false;
};

TextSource read_gguf_text(const std::filesystem::path& file);
TextSource read_hugging_face_text(const std::filesystem::path& folder);

}  // namespace gpuinfer::server
