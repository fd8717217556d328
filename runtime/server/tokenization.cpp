#include "runtime/server/tokenization.hpp"

#include "runtime/server/api_error.hpp"
#include "runtime/server/chat_messages.hpp"
#include "runtime/server/prompts.hpp"
#include "runtime/server/request_fields.hpp"
#include "runtime/server/token_text.hpp"

namespace gpuinfer::server {

Json tokenize(const Json& body, const ServedModel& model) {
  check_model(body, model);
  const RequestFields fields(body);
  std::vector<TokenId> tokens;
  if (fields.find("messages")) {
    tokens = render_chat(parse_chat(fields), model);
  } else {
    const auto prompt = fields.string("prompt");
    if (!prompt) throw invalid_request("'prompt' is missing.", "prompt");
    tokens = to_tokens(*prompt, model, fields.boolean("add_special_tokens").value_or(true), "prompt");
  }
  Json token_strs = nullptr;
  if (fields.boolean("return_token_strs").value_or(false)) {
    token_strs = Json::array();
    for (const TokenId token : tokens) token_strs.push_back(token_text(token, &model.text->tokenizer));
  }
  return {{"count", tokens.size()},
          {"max_model_len", model.engine->max_model_len()},
          {"tokens", tokens},
          {"token_strs", std::move(token_strs)}};
}

Json detokenize(const Json& body, const ServedModel& model) {
  check_model(body, model);
  if (!model.text) throw invalid_request("This server runs without a tokenizer.");
  const RequestFields fields(body);
  if (!fields.find("tokens")) throw invalid_request("'tokens' is missing.", "tokens");
  const text::Tokenizer& tokenizer = model.text->tokenizer;
  const std::vector<TokenId> tokens = fields.token_ids("tokens");
  for (const TokenId token : tokens) {
    if (static_cast<std::size_t>(token) < tokenizer.vocab_size()) continue;
    throw invalid_request("'tokens' has " + std::to_string(token) + ", but the tokenizer knows " +
                              std::to_string(tokenizer.vocab_size()) + ".",
                          "tokens");
  }
  return {{"prompt", tokenizer.decode(tokens, text::SpecialTokens::kKeep)}};
}

}  // namespace gpuinfer::server
