// What a model's files say about its text: joins model/ and text/, which do not know each other.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/model/model.hpp"
#include "runtime/text/chat_template.hpp"
#include "runtime/text/tokenizer.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::server {

struct ModelText {
  text::Tokenizer tokenizer;
  std::optional<text::ChatTemplate> chat_template;
  /// Why there is no chat template: the files have none, or it cannot be used. For the answer to a chat request.
  std::string no_chat_template_reason;
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  /// The tokens that end a reply, in ascending order: eos and the ends of a turn.
  std::vector<TokenId> stop_ids;
  /// Whether a prompt that no chat template rendered begins with `bos`, which there is then.
  bool add_bos = false;
};

/// From the metadata of a GGUF file, or from tokenizer.json, tokenizer_config.json, special_tokens_map.json,
/// chat_template.jinja and generation_config.json of a Hugging Face folder. Throws Error naming the file where its
/// tokenizer is damaged, missing or of a kind that we do not have.
ModelText load_model_text(const model::ModelLocation& location);

}  // namespace gpuinfer::server
