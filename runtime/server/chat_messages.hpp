// The messages of a chat, as a chat template takes them.
#pragma once

#include <string>
#include <vector>

#include "runtime/server/request_fields.hpp"
#include "runtime/server/served_model.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::server {

/// A conversation, and how it is to be rendered.
struct Chat {
  /// [{"role", "content"}, ...] with the content as one string.
  Json messages;
  /// Whether the prompt ends with the beginning of the assistant's reply.
  bool add_generation_prompt = true;
  /// Further variables of the template.
  Json template_arguments = Json::object();
};

/// From "messages", "add_generation_prompt", "reasoning_effort" and "chat_template_kwargs". Throws ApiError (400)
/// naming the field.
Chat parse_chat(const RequestFields& fields);

/// The prompt by the model's chat template. Throws ApiError (400) where the model has none, or its template refuses.
std::vector<TokenId> render_chat(const Chat& chat, const ServedModel& model);

}  // namespace gpuinfer::server
