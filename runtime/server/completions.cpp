// POST /v1/completions: a text goes in, what follows it comes out.
#include <utility>

#include "runtime/server/completion_endpoint.hpp"
#include "runtime/server/prompts.hpp"
#include "runtime/server/token_text.hpp"
#include "runtime/text/utf8.hpp"

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
    CompletionRequest request = parse_completion_request(body, model.sampling_defaults);
    PreparedCompletion prepared{.params = std::move(request.params), .prompts = {}};
    for (const Prompt& prompt : request.prompts) {
      prepared.prompts.push_back(to_tokens(prompt, model, prepared.params.add_special_tokens, "prompt"));
    }
    return prepared;
  }

  Json choice(const ChoicePart& part) const override {
    return {{"index", part.index},
            {"text", part.text},
            {"logprobs", nullptr},
            {"finish_reason", part.finished ? Json(to_string(*part.finished)) : Json(nullptr)}};
  }
  Json first_chunk_choice(std::size_t) const override { return nullptr; }
  Json chunk_choice(const ChoicePart& part) const override { return choice(part); }

  Json logprobs(const ChoicePart& part, const text::Tokenizer* tokenizer) const override {
    Json tokens = Json::array();
    Json token_logprobs = Json::array();
    Json top_logprobs = Json::array();
    Json text_offset = Json::array();
    std::int64_t offset = part.text_offset;
    for (const ReplyToken& token : part.tokens) {
      const std::string shown = text::to_valid_utf8(token_text(token.id, tokenizer));
      tokens.push_back(shown);
      text_offset.push_back(offset);
      offset += static_cast<std::int64_t>(text::count_characters(shown));
      token_logprobs.push_back(token.logprobs ? Json(finite_logprob(token.logprobs->token.logprob)) : Json(nullptr));
      top_logprobs.push_back(token.logprobs ? top(*token.logprobs, tokenizer) : Json(nullptr));
    }
    return {{"tokens", std::move(tokens)},
            {"token_logprobs", std::move(token_logprobs)},
            {"top_logprobs", std::move(top_logprobs)},
            {"text_offset", std::move(text_offset)}};
  }

  Json& about_prompt(Json& reply, std::size_t index) const override { return reply["choices"][index]; }

 private:
  /// The likeliest tokens with the logprobs, and the token itself.
  static Json top(const engine::Logprobs& logprobs, const text::Tokenizer* tokenizer) {
    Json result = Json::object();
    for (const engine::TokenLogprob& token : logprobs.top) {
      result[token_text(token.id, tokenizer)] = finite_logprob(token.logprob);
    }
    result[token_text(logprobs.token.id, tokenizer)] = finite_logprob(logprobs.token.logprob);
    return result;
  }
};

}  // namespace

std::unique_ptr<CompletionEndpoint> make_completions_endpoint() { return std::make_unique<Completions>(); }

}  // namespace gpuinfer::server
