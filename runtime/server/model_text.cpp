#include "runtime/server/model_text.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "runtime/server/text_source.hpp"

namespace gpuinfer::server {
namespace {

void check_ids(const TextSource& source, const std::string& file, std::size_t vocab_size) {
  std::vector<TokenId> ids = source.stop_ids;
  if (source.bos) ids.push_back(*source.bos);
  for (const TokenId id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= vocab_size) {
      throw Error(file + ": the special token id " + std::to_string(id) + " is outside the vocabulary of " +
                      std::to_string(vocab_size) + " tokens",
                  "The model's files are damaged or do not belong together; fetch them again.");
    }
  }
}

void load_chat_template(const TextSource& source, ModelText& text) {
  if (!source.chat_template) {
    text.no_chat_template_reason = "the model's files have no chat template";
    return;
  }
  try {
    text.chat_template.emplace(*source.chat_template, source.special_tokens);
  } catch (const Error& error) {
    text.no_chat_template_reason =
        "the chat template in " + source.chat_template_origin + " cannot be used: " + error.what();
  }
}

}  // namespace

ModelText load_model_text(const model::ModelLocation& location) {
  TextSource source =
      location.layout == model::Layout::kGguf ? read_gguf_text(location.path) : read_hugging_face_text(location.path);
  if (source.eos) source.stop_ids.push_back(*source.eos);
  std::sort(source.stop_ids.begin(), source.stop_ids.end());
  source.stop_ids.erase(std::unique(source.stop_ids.begin(), source.stop_ids.end()), source.stop_ids.end());

  ModelText text{.tokenizer = text::Tokenizer(std::move(source.tokenizer)),
                 .chat_template = std::nullopt,
                 .no_chat_template_reason = "",
                 .bos = source.bos,
                 .eos = source.eos,
                 .stop_ids = source.stop_ids,
                 .add_bos = source.add_bos && source.bos};
  check_ids(source, location.path.string(), text.tokenizer.vocab_size());
  load_chat_template(source, text);
  return text;
}

}  // namespace gpuinfer::server
