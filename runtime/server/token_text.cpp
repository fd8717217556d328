#include "runtime/server/token_text.hpp"

#include <algorithm>

namespace gpuinfer::server {

std::string token_bytes(TokenId token, const text::Tokenizer& tokenizer) {
  return static_cast<std::size_t>(token) < tokenizer.vocab_size() ? std::string(tokenizer.token_bytes(token)) : "";
}

std::string token_text(TokenId token, const text::Tokenizer* tokenizer) {
  return tokenizer ? token_bytes(token, *tokenizer) : "token_id:" + std::to_string(token);
}

double finite_logprob(float logprob) { return static_cast<double>(std::max(logprob, -9999.0F)); }

Json prompt_logprobs_json(const std::vector<engine::Logprobs>& logprobs, const text::Tokenizer* tokenizer) {
  const auto entry = [&](const engine::TokenLogprob& token) {
    return Json{{"logprob", finite_logprob(token.logprob)},
                {"rank", token.rank},
                {"decoded_token", token_text(token.id, tokenizer)}};
  };
  Json result = Json::array({nullptr});
  for (const engine::Logprobs& position : logprobs) {
    Json tokens = {{std::to_string(position.token.id), entry(position.token)}};
    for (const engine::TokenLogprob& token : position.top) tokens[std::to_string(token.id)] = entry(token);
    result.push_back(std::move(tokens));
  }
  return result;
}

}  // namespace gpuinfer::server
