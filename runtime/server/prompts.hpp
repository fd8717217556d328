// Prompts that are text or token ids: how they are read, and what they become.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.hpp"
#include "runtime/server/served_model.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::server {

using Prompt = std::variant<std::string, std::vector<TokenId>>;

/// One prompt or several: a string, an array of token ids, or an array of either. Throws ApiError (400) naming `field`.
std::vector<Prompt> parse_prompts(const Json* value, const std::string& field);

/// The prompt's tokens; text begins with BOS where the model wants one and `add_special_tokens` is true. Throws
/// ApiError (400) for text where the model has no tokenizer.
std::vector<TokenId> to_tokens(const Prompt& prompt, const ServedModel& model, bool add_special_tokens,
                               const std::string& field);

/// The last `count` tokens; −1 means as many as the context takes beside one generated token.
void truncate(std::vector<TokenId>& tokens, std::int64_t count, const ServedModel& model);

/// Throws ApiError (400) naming `field` where the prompt is empty, has an id outside the vocabulary, or does not leave
/// `room` tokens of the context.
void check_prompt(const std::vector<TokenId>& tokens, const ServedModel& model, std::int64_t room,
                  const std::string& field);

/// Throws ApiError (404) where the request names another model than the served one; it may name none.
void check_model(const Json& body, const ServedModel& model);

}  // namespace gpuinfer::server
