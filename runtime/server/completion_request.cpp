#include "runtime/server/completion_request.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <random>

#include "runtime/server/api_error.hpp"
#include "runtime/server/request_fields.hpp"
#include "runtime/server/unsupported_parameters.hpp"

namespace gpuinfer::server {
namespace {

constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMinInt64 = std::numeric_limits<std::int64_t>::min();
constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxBadWords = 1000;
constexpr std::int64_t kMaxChoices = 128;
/// OpenAI's limit for chats, and vLLM's for both endpoints.
constexpr std::int64_t kMaxLogprobs = 20;

engine::SamplingParams parse_sampling(const RequestFields& fields, const engine::SamplingParams& defaults) {
  engine::SamplingParams sampling = defaults;
  sampling.temperature = static_cast<float>(fields.number("temperature", 0, 2).value_or(defaults.temperature));
  sampling.top_p = static_cast<float>(fields.number("top_p", 0, 1).value_or(defaults.top_p));
  sampling.min_p = static_cast<float>(fields.number("min_p", 0, 1).value_or(defaults.min_p));
  sampling.top_k = std::max<std::int64_t>(0, fields.integer("top_k", -1, kMaxInt64).value_or(defaults.top_k));
  const auto seed = fields.integer("seed", kMinInt64, kMaxInt64);
  sampling.seed = seed ? static_cast<std::uint64_t>(*seed) : std::random_device()();
  return sampling;
}

/// {"1234": -5, ...}
std::vector<std::pair<TokenId, float>> parse_logit_bias(const Json* biases) {
  std::vector<std::pair<TokenId, float>> result;
  if (!biases) return result;
  const RequestFields fields(*biases, "logit_bias.");
  for (const auto& [name, value] : biases->items()) {
    TokenId token = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), token);
    if (error != std::errc() || end != name.data() + name.size() || token < 0) {
      throw invalid_request("'logit_bias' must map token ids to numbers, but has '" + name + "'.", "logit_bias");
    }
    result.emplace_back(token, static_cast<float>(fields.number(name, -100, 100).value_or(0)));
  }
  return result;
}

engine::LogitAdjustments parse_adjustments(const RequestFields& fields) {
  engine::LogitAdjustments adjustments;
  adjustments.logit_bias = parse_logit_bias(fields.find("logit_bias"));
  adjustments.repetition_penalty = static_cast<float>(fields.number("repetition_penalty", 0.01, 100).value_or(1));
  adjustments.presence_penalty = static_cast<float>(fields.number("presence_penalty", -2, 2).value_or(0));
  adjustments.frequency_penalty = static_cast<float>(fields.number("frequency_penalty", -2, 2).value_or(0));
  adjustments.allowed_tokens = fields.token_ids("allowed_token_ids");
  if (fields.find("allowed_token_ids") && adjustments.allowed_tokens.empty()) {
    throw invalid_request("'allowed_token_ids' is empty: no token could come.", "allowed_token_ids");
  }
  adjustments.min_tokens = fields.integer("min_tokens", 0, kMaxInt64).value_or(0);
  return adjustments;
}

void parse_stream(const RequestFields& fields, CompletionParams& params) {
  params.stream = fields.boolean("stream").value_or(false);
  const Json* options = fields.find("stream_options");
  if (!options) return;
  if (!params.stream) throw invalid_request("'stream_options' needs 'stream': true.", "stream_options");
  const RequestFields stream_options(*options, "stream_options.");
  params.include_usage = stream_options.boolean("include_usage").value_or(false);
  params.continuous_usage_stats = stream_options.boolean("continuous_usage_stats").value_or(false);
}

void parse_choices(const RequestFields& fields, CompletionParams& params) {
  params.n = fields.integer("n", 1, kMaxChoices).value_or(1);
  if (fields.integer("best_of", 1, kMaxChoices).value_or(params.n) != params.n) {
    throw invalid_request("'best_of' is not supported unless it equals 'n'.", "best_of", "unsupported_parameter");
  }
}

CompletionParams parse_params(const RequestFields& fields, const engine::SamplingParams& defaults) {
  refuse_unsupported_parameters(fields);
  CompletionParams params;
  parse_choices(fields, params);
  params.max_tokens = fields.integer("max_tokens", 1, kMaxInt64);
  params.sampling = parse_sampling(fields, defaults);
  params.adjustments = parse_adjustments(fields);
  params.bad_words = fields.strings("bad_words", kMaxBadWords);
  params.stop = fields.strings("stop", kMaxStops);
  params.stop_token_ids = fields.token_ids("stop_token_ids");
  params.ignore_eos = fields.boolean("ignore_eos").value_or(false);
  params.skip_special_tokens = fields.boolean("skip_special_tokens").value_or(true);
  params.add_special_tokens = fields.boolean("add_special_tokens").value_or(true);
  params.truncate_prompt_tokens = fields.integer("truncate_prompt_tokens", -1, kMaxInt64);
  if (params.truncate_prompt_tokens == 0) {
    throw invalid_request("'truncate_prompt_tokens' of 0 leaves no prompt.", "truncate_prompt_tokens");
  }
  params.prompt_logprobs = fields.integer("prompt_logprobs", 0, kMaxLogprobs);
  params.return_token_ids = fields.boolean("return_token_ids").value_or(false);
  params.priority = fields.integer("priority", kMinInt64, kMaxInt64).value_or(0);
  params.cache_salt = fields.string("cache_salt").value_or("");
  if (const auto seconds = fields.number("timeout", 0.001, 1e6)) {
    params.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(*seconds * 1000));
  }
  parse_stream(fields, params);
  if (params.stream && params.prompt_logprobs) {
    throw invalid_request("'prompt_logprobs' cannot be streamed.", "prompt_logprobs");
  }
  return params;
}

void check_min_tokens(const CompletionParams& params) {
  if (params.max_tokens && params.adjustments.min_tokens > *params.max_tokens) {
    throw invalid_request("'min_tokens' is " + std::to_string(params.adjustments.min_tokens) +
                              ", but 'max_tokens' only " + std::to_string(*params.max_tokens) + ".",
                          "min_tokens");
  }
}

}  // namespace

ChatRequest parse_chat_request(const Json& body, const engine::SamplingParams& defaults) {
  const RequestFields fields(body);
  ChatRequest request{.params = parse_params(fields, defaults), .chat = parse_chat(fields)};
  CompletionParams& params = request.params;
  // The newer name wins, as in OpenAI's API.
  if (const auto max_tokens = fields.integer("max_completion_tokens", 1, kMaxInt64)) params.max_tokens = max_tokens;
  check_min_tokens(params);
  const auto top_logprobs = fields.integer("top_logprobs", 0, kMaxLogprobs);
  if (fields.boolean("logprobs").value_or(false)) {
    params.logprobs = top_logprobs.value_or(0);
  } else if (top_logprobs.value_or(0) > 0) {
    throw invalid_request("'top_logprobs' needs 'logprobs': true.", "top_logprobs");
  }
  if (fields.boolean("echo").value_or(false)) {
    throw invalid_request("'echo' is not supported in a chat.", "echo", "unsupported_parameter");
  }
  return request;
}

CompletionRequest parse_completion_request(const Json& body, const engine::SamplingParams& defaults) {
  constexpr std::int64_t kDefaultMaxTokens = 16;  // OpenAI's
  const RequestFields fields(body);
  CompletionRequest request{.params = parse_params(fields, defaults),
                            .prompts = parse_prompts(fields.find("prompt"), "prompt")};
  CompletionParams& params = request.params;
  if (!params.max_tokens) params.max_tokens = std::max(kDefaultMaxTokens, params.adjustments.min_tokens);
  check_min_tokens(params);
  const Json* logprobs = fields.find("logprobs");
  // Some clients send false for none.
  if (logprobs && *logprobs != false) params.logprobs = fields.integer("logprobs", 0, kMaxLogprobs);
  params.echo = fields.boolean("echo").value_or(false);
  return request;
}

}  // namespace gpuinfer::server
