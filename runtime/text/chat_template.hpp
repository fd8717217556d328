// The model's own chat template: from messages to the text of a prompt.
#pragma once

#include <ctime>
#include <map>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "runtime/text/jinja/syntax.hpp"
#include "runtime/text/jinja/value.hpp"
#include "runtime/text/marked_text.hpp"

namespace gpuinfer::text {

/// A Jinja template, rendered as transformers' apply_chat_template() does it (chat_template_utils.py): trim_blocks and
/// lstrip_blocks on, nothing escaped, raise_exception(), strftime_now() and a tojson that leaves Unicode alone. Of
/// Jinja it has what the templates of SmolLM2, ChatML and Llama 3 need; anything else is refused when it is loaded.
/// Immutable, so threads may share one.
class ChatTemplate {
 public:
  /// `special_tokens`: variables that the model's files define ("bos_token": "<|begin_of_text|>"). Throws Error naming
  /// the line of `source` and what is wrong or not supported there.
  explicit ChatTemplate(std::string_view source, const std::map<std::string, std::string>& special_tokens = {});

  /// `variables` are those of the request: "messages" (OpenAI's objects, content as a string), "add_generation_prompt",
  /// "tools" where there are some. Their strings count as the user's in the result, so they can spell no special token;
  /// only a message's role, if it is a usual one, may be part of one (`'<|' + message.role + '|>'`). Throws Error where
  /// the template refuses the messages or fails on them: the request's fault.
  MarkedText render(const Json& variables, std::time_t now = std::time(nullptr)) const;

 private:
  jinja::Block block_;
  std::map<std::string, jinja::Value> special_tokens_;
};

}  // namespace gpuinfer::text
