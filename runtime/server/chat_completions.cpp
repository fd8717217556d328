// POST /v1/chat/completions: a conversation goes in, the assistant's next message comes out.
#include <utility>

#include "runtime/server/api_error.hpp"
#include "runtime/server/completion_endpoint.hpp"

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
    if (!model.text.chat_template) {
      throw invalid_request("This model cannot chat: " + model.text.no_chat_template_reason + ". Use /v1/completions.",
                            "messages");
    }
    return {.params = std::move(request.params),
            .prompt = model.text.tokenizer.encode(render(request.messages, *model.text.chat_template))};
  }

  Json choice(const std::string& text, engine::FinishReason reason) const override {
    return {{"index", 0},
            {"message", {{"role", "assistant"}, {"content", text}}},
            {"logprobs", nullptr},
            {"finish_reason", to_string(reason)}};
  }
  Json first_chunk_choice() const override { return chunk({{"role", "assistant"}, {"content", ""}}, nullptr); }
  Json chunk_choice(const std::string& text) const override { return chunk({{"content", text}}, nullptr); }
  Json last_chunk_choice(engine::FinishReason reason) const override {
    return chunk(Json::object(), to_string(reason));
  }

 private:
  static text::MarkedText render(const Json& messages, const text::ChatTemplate& chat_template) {
    try {
      return chat_template.render({{"messages", messages}, {"add_generation_prompt", true}});
    } catch (const Error& error) {
      throw invalid_request(std::string("The model's chat template refuses these messages: ") + error.what(),
                            "messages");
    }
  }

  static Json chunk(Json delta, Json finish_reason) {
    return {
        {"index", 0}, {"delta", std::move(delta)}, {"logprobs", nullptr}, {"finish_reason", std::move(finish_reason)}};
  }
};

}  // namespace

std::unique_ptr<CompletionEndpoint> make_chat_completions_endpoint() { return std::make_unique<ChatCompletions>(); }

}  // namespace gpuinfer::server
