// What single tokens look like in a reply.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "runtime/engine/logprobs.hpp"
#include "runtime/text/tokenizer.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::server {

/// The token's bytes, which may be part of a character; "" for an id that no token has: vocabularies are padded.
std::string token_bytes(TokenId token, const text::Tokenizer& tokenizer);

/// The token's bytes as a JSON string shows them, or "token_id:17" where there is no tokenizer, as vLLM has it.
std::string token_text(TokenId token, const text::Tokenizer* tokenizer);

/// A number that JSON has: −∞ becomes −9999, as in vLLM.
double finite_logprob(float logprob);

/// "prompt_logprobs": null for the first token, then {"ID": {"logprob", "rank", "decoded_token"}} for the token itself
/// and the likeliest ones.
Json prompt_logprobs_json(const std::vector<engine::Logprobs>& logprobs, const text::Tokenizer* tokenizer);

}  // namespace gpuinfer::server
