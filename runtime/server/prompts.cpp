#include "runtime/server/prompts.hpp"

#include <algorithm>

#include "runtime/server/api_error.hpp"
#include "runtime/server/request_fields.hpp"

namespace gpuinfer::server {
namespace {

/// Each prompt is a request of its own.
constexpr std::size_t kMaxPrompts = 2048;

Prompt parse_prompt(const Json& value, const std::string& field) {
  if (value.is_string()) return value.get<std::string>();
  return parse_token_ids(value, field);
}

}  // namespace

std::vector<Prompt> parse_prompts(const Json* value, const std::string& field) {
  if (!value) throw invalid_request("'" + field + "' is missing.", field);
  const bool several = value->is_array() && !value->empty() && !value->front().is_number();
  if (!value->is_string() && !value->is_array()) {
    throw invalid_request("'" + field + "' must be a string, an array of token ids, or an array of these.", field);
  }
  if (!several) return {parse_prompt(*value, field)};
  if (value->size() > kMaxPrompts) {
    throw invalid_request("'" + field + "' has " + std::to_string(value->size()) + " prompts, and may have " +
                              std::to_string(kMaxPrompts) + ".",
                          field);
  }
  std::vector<Prompt> prompts;
  for (const Json& prompt : *value) prompts.push_back(parse_prompt(prompt, field));
  return prompts;
}

std::vector<TokenId> to_tokens(const Prompt& prompt, const ServedModel& model, bool add_special_tokens,
                               const std::string& field) {
  if (const auto* tokens = std::get_if<std::vector<TokenId>>(&prompt)) return *tokens;
  if (!model.text) {
    throw invalid_request("This server runs without a tokenizer: '" + field + "' must be token ids.", field);
  }
  std::vector<TokenId> tokens = model.text->tokenizer.encode(std::get<std::string>(prompt));
  if (model.text->add_bos && add_special_tokens) tokens.insert(tokens.begin(), *model.text->bos);
  return tokens;
}

void truncate(std::vector<TokenId>& tokens, std::int64_t count, const ServedModel& model) {
  if (count < 0) count = model.engine->max_model_len() - 1;
  if (count < std::ssize(tokens)) tokens.erase(tokens.begin(), tokens.end() - count);
}

void check_prompt(const std::vector<TokenId>& tokens, const ServedModel& model, std::int64_t room,
                  const std::string& field) {
  const std::int64_t max_model_len = model.engine->max_model_len();
  if (tokens.empty()) throw invalid_request("'" + field + "' is empty.", field);
  if (std::ssize(tokens) + room > max_model_len) {
    throw invalid_request("This model's context holds " + std::to_string(max_model_len) + " tokens" +
                              (room > 0 ? ", one of them generated at least" : "") + ", but '" + field + "' has " +
                              std::to_string(tokens.size()) + ". Shorten it.",
                          field, "context_length_exceeded");
  }
  const std::int64_t vocab_size = model.engine->backend().vocab_size();
  const auto unknown = std::ranges::find_if(tokens, [&](TokenId token) { return token >= vocab_size; });
  if (unknown != tokens.end()) {
    throw invalid_request("'" + field + "' has token " + std::to_string(*unknown) + ", but the vocabulary has " +
                              std::to_string(vocab_size) + ".",
                          field);
  }
}

void check_model(const Json& body, const ServedModel& model) {
  const std::string name = RequestFields(body).string("model").value_or("");
  if (!name.empty() && !model.has_name(name)) throw model_not_found(name, model.name());
}

}  // namespace gpuinfer::server
