// POST /v1/completions: a text goes in, what follows it comes out.
#include <utility>

#include "runtime/server/completion_endpoint.hpp"

namespace gpuinfer::server {
namespace {

class Completions : public CompletionEndpoint {
 public:
  std::string_view path() const override { return "/v1/completions"; }
  std::string_view id_prefix() const override { return "cmpl-"; }
  std::string_view object() const override { return "text_completion"; }
  std::string_view chunk_object() const override { return "text_completion"; }
  std::string_view prompt_field() const override { return "prompt"; }

  PreparedCompletion prepare(const Json& body, const ServedModel& model) const override {
    constexpr std::int64_t kDefaultMaxTokens = 16;  // OpenAI's
    CompletionRequest request = parse_completion_request(body, model.sampling_defaults);
    PreparedCompletion prepared{.params = std::move(request.params), .prompt = {}};
    if (!prepared.params.max_tokens) prepared.params.max_tokens = kDefaultMaxTokens;
    if (const auto* tokens = std::get_if<std::vector<TokenId>>(&request.prompt)) {
      prepared.prompt = *tokens;
    } else {
      prepared.prompt = encode(std::get<std::string>(request.prompt), model.text);
    }
    return prepared;
  }

  Json choice(const std::string& text, engine::FinishReason reason) const override {
    return choice(text, to_string(reason));
  }
  Json first_chunk_choice() const override { return nullptr; }
  Json chunk_choice(const std::string& text) const override { return choice(text, Json(nullptr)); }
  Json last_chunk_choice(engine::FinishReason reason) const override { return choice("", to_string(reason)); }

 private:
  static std::vector<TokenId> encode(const std::string& text, const ModelText& model) {
    std::vector<TokenId> tokens = model.tokenizer.encode(text);
    if (model.add_bos) tokens.insert(tokens.begin(), *model.bos);
    return tokens;
  }

  static Json choice(const std::string& text, Json finish_reason) {
    return {{"index", 0}, {"text", text}, {"logprobs", nullptr}, {"finish_reason", std::move(finish_reason)}};
  }
};

}  // namespace

std::unique_ptr<CompletionEndpoint> make_completions_endpoint() { return std::make_unique<Completions>(); }

}  // namespace gpuinfer::server
