// POST /v1/chat/completions: a conversation goes in, the assistant's next message comes out.
#include <utility>

#include "runtime/server/completion_endpoint.hpp"
#include "runtime/server/token_text.hpp"

namespace gpuinfer::server {
namespace {

class ChatCompletions : public CompletionEndpoint {
 public:
  std::string_view path() const override { return "/v1/chat/completions"; }
  std::string_view id_prefix() const override { return "chatcmpl-"; }
  std::string_view object() const override { return "chat.completion"; }
  std::string_view chunk_object() const override { return "chat.completion.chunk"; }
  std::string_view prompt_field() const override { return "messages"; }

  PreparedCompletion prepare(const Json& body, const ServedModel& model) const override {
    ChatRequest request = parse_chat_request(body, model.sampling_defaults);
    return {.params = std::move(request.params), .prompts = {render_chat(request.chat, model)}};
  }

  Json choice(const ChoicePart& part) const override {
    return {{"index", part.index},
            {"message", {{"role", "assistant"}, {"content", part.text}}},
            {"logprobs", nullptr},
            {"finish_reason", finish_reason(part)}};
  }
  Json first_chunk_choice(std::size_t index) const override {
    return chunk(index, {{"role", "assistant"}, {"content", ""}}, nullptr);
  }
  Json chunk_choice(const ChoicePart& part) const override {
    Json delta = part.text.empty() ? Json::object() : Json{{"content", part.text}};
    return chunk(part.index, std::move(delta), finish_reason(part));
  }

  Json logprobs(const ChoicePart& part, const text::Tokenizer* tokenizer) const override {
    Json content = Json::array();
    for (const ReplyToken& token : part.tokens) {
      Json entry = describe(token.logprobs->token, tokenizer);
      entry["top_logprobs"] = Json::array();
      for (const engine::TokenLogprob& likely : token.logprobs->top) {
        entry["top_logprobs"].push_back(describe(likely, tokenizer));
      }
      content.push_back(std::move(entry));
    }
    return {{"content", std::move(content)}, {"refusal", nullptr}};
  }

  Json& about_prompt(Json& reply, std::size_t) const override { return reply; }  // a chat has one prompt

 private:
  static Json finish_reason(const ChoicePart& part) {
    return part.finished ? Json(to_string(*part.finished)) : Json(nullptr);
  }

  static Json chunk(std::size_t index, Json delta, Json finish_reason) {
    return {{"index", index},
            {"delta", std::move(delta)},
            {"logprobs", nullptr},
            {"finish_reason", std::move(finish_reason)}};
  }

  static Json describe(const engine::TokenLogprob& token, const text::Tokenizer* tokenizer) {
    Json bytes = nullptr;
    if (tokenizer) {
      bytes = Json::array();
      for (const char byte : token_bytes(token.id, *tokenizer)) bytes.push_back(static_cast<unsigned char>(byte));
    }
    return {{"token", token_text(token.id, tokenizer)},
            {"logprob", finite_logprob(token.logprob)},
            {"bytes", std::move(bytes)}};
  }
};

}  // namespace

std::unique_ptr<CompletionEndpoint> make_chat_completions_endpoint() { return std::make_unique<ChatCompletions>(); }

}  // namespace gpuinfer::server
