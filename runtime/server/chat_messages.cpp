#include "runtime/server/chat_messages.hpp"

#include <algorithm>
#include <array>

#include "runtime/server/api_error.hpp"

namespace gpuinfer::server {
namespace {

/// A content's text: itself, or its parts put together.
std::string parse_content(const Json& content, const std::string& place) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    throw invalid_request(
        "'" + place + "' must be a string or an array of text parts, not " + content.type_name() + ".", place);
  }
  std::string text;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const std::string part_place = place + "[" + std::to_string(i) + "]";
    const RequestFields part(content[i], part_place + ".");
    const std::string type = part.string("type").value_or("");
    if (type != "text") {
      throw invalid_request("'" + part_place + "' is of type '" + type + "'; this model reads only text.",
                            part_place + ".type");
    }
    const auto part_text = part.string("text");
    if (!part_text) throw invalid_request("'" + part_place + ".text' is missing.", part_place + ".text");
    text += *part_text;
  }
  return text;
}

Json parse_message(const Json& message, const std::string& place) {
  constexpr std::array<std::string_view, 4> kRoles = {"system", "developer", "user", "assistant"};
  const RequestFields fields(message, place + ".");
  const std::string role = fields.string("role").value_or("");
  if (role == "tool" || role == "function" || fields.find("tool_calls") || fields.find("function_call")) {
    throw invalid_request("'" + place + "' belongs to a tool call; these are not supported yet.", place,
                          "unsupported_parameter");
  }
  if (std::ranges::find(kRoles, role) == kRoles.end()) {
    throw invalid_request("'" + place + ".role' must be system, developer, user or assistant, not '" + role + "'.",
                          place + ".role");
  }
  const Json* content = fields.find("content");
  if (!content) throw invalid_request("'" + place + ".content' is missing.", place + ".content");
  return {{"role", role}, {"content", parse_content(*content, place + ".content")}};
}

}  // namespace

Chat parse_chat(const RequestFields& fields) {
  Chat chat{.messages = Json::array()};
  const Json* messages = fields.find("messages");
  if (!messages || !messages->is_array() || messages->empty()) {
    throw invalid_request("'messages' must be an array with at least one message.", "messages");
  }
  for (std::size_t i = 0; i < messages->size(); ++i) {
    chat.messages.push_back(parse_message((*messages)[i], "messages[" + std::to_string(i) + "]"));
  }
  chat.add_generation_prompt = fields.boolean("add_generation_prompt").value_or(true);
  if (const Json* arguments = fields.find("chat_template_kwargs")) {
    const RequestFields checked(*arguments, "chat_template_kwargs.");
    if (checked.find("messages") || checked.find("add_generation_prompt")) {
      throw invalid_request("'chat_template_kwargs' cannot replace the messages or add_generation_prompt.",
                            "chat_template_kwargs");
    }
    chat.template_arguments = *arguments;
  }
  if (const auto effort = fields.string("reasoning_effort")) chat.template_arguments["reasoning_effort"] = *effort;
  return chat;
}

std::vector<TokenId> render_chat(const Chat& chat, const ServedModel& model) {
  if (!model.text) {
    throw invalid_request("This server runs without a tokenizer. Send token ids to /v1/completions.", "messages");
  }
  if (!model.text->chat_template) {
    throw invalid_request("This model cannot chat: " + model.text->no_chat_template_reason + ". Use /v1/completions.",
                          "messages");
  }
  Json variables = chat.template_arguments;
  variables["messages"] = chat.messages;
  variables["add_generation_prompt"] = chat.add_generation_prompt;
  try {
    return model.text->tokenizer.encode(model.text->chat_template->render(variables));
  } catch (const Error& error) {
    throw invalid_request(std::string("The model's chat template refuses these messages: ") + error.what(), "messages");
  }
}

}  // namespace gpuinfer::server
