#include "runtime/server/completion_request.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <random>
#include <string_view>

#include "runtime/server/api_error.hpp"
#include "runtime/server/request_fields.hpp"

namespace gpuinfer::server {
namespace {

constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMinInt64 = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMaxToken = std::numeric_limits<TokenId>::max();
constexpr std::size_t kMaxStops = 16;

/// A parameter that we do not have yet, and the values that ask for nothing.
struct Unsupported {
  std::string_view name;
  bool (*asks_for_nothing)(const Json& value);
};

bool never(const Json&) { return false; }
bool is_false(const Json& value) { return value == false; }
bool is_zero(const Json& value) { return value == 0; }
bool is_one(const Json& value) { return value == 1; }
bool is_empty(const Json& value) { return value.is_structured() && value.empty(); }
bool is_false_or_zero(const Json& value) { return is_false(value) || is_zero(value); }
bool is_plain_text(const Json& value) { return value.is_object() && value.value("type", Json()) == "text"; }
bool is_only_text(const Json& value) { return value == Json::array({"text"}); }

constexpr auto kUnsupported = std::to_array<Unsupported>({
    {"allowed_token_ids", never},
    {"audio", never},
    {"bad_words", is_empty},
    {"best_of", is_one},
    {"chat_template", never},
    {"chat_template_kwargs", is_empty},
    {"continue_final_message", is_false},
    {"echo", is_false},
    {"frequency_penalty", is_zero},
    {"functions", is_empty},
    {"include_stop_str_in_output", is_false},
    {"logit_bias", is_empty},
    {"logprobs", is_false_or_zero},
    {"min_tokens", is_zero},
    {"modalities", is_only_text},
    {"n", is_one},
    {"presence_penalty", is_zero},
    {"prompt_logprobs", never},
    {"repetition_penalty", is_one},
    {"response_format", is_plain_text},
    {"return_token_ids", is_false},
    {"structured_outputs", is_empty},
    {"suffix", [](const Json& value) { return value == ""; }},
    {"top_logprobs", is_zero},
    {"truncate_prompt_tokens", never},
    {"use_beam_search", is_false},
});

void refuse_unsupported(const RequestFields& fields) {
  for (const Unsupported& parameter : kUnsupported) {
    const Json* value = fields.find(parameter.name);
    if (!value || parameter.asks_for_nothing(*value)) continue;
    const std::string name(parameter.name);
    throw invalid_request("'" + name + "' is not supported yet with this value.", name, "unsupported_parameter");
  }
  // Tools that the model must not call change nothing; any other choice would.
  const Json* tools = fields.find("tools");
  const Json* tool_choice = fields.find("tool_choice");
  const bool none_wanted = (!tools || tools->empty()) && (!tool_choice || *tool_choice == "auto");
  if (none_wanted || (tool_choice && *tool_choice == "none")) return;
  throw invalid_request("Tool calls are not supported yet.", tools && !tools->empty() ? "tools" : "tool_choice",
                        "unsupported_parameter");
}

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

std::vector<TokenId> parse_token_ids(const Json& values, const std::string& name) {
  std::vector<TokenId> tokens;
  for (const Json& value : values) {
    const bool valid =
        value.is_number_unsigned() && value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMaxToken);
    if (!valid) throw invalid_request("'" + name + "' must hold token ids, integers from 0.", name);
    tokens.push_back(value.get<TokenId>());
  }
  return tokens;
}

CompletionParams parse_params(const RequestFields& fields, const engine::SamplingParams& defaults) {
  refuse_unsupported(fields);
  CompletionParams params;
  params.model = fields.string("model").value_or("");
  params.max_tokens = fields.integer("max_tokens", 1, kMaxInt64);
  params.sampling = parse_sampling(fields, defaults);
  params.stop = fields.strings("stop", kMaxStops);
  if (const Json* ids = fields.find("stop_token_ids")) {
    if (!ids->is_array()) throw invalid_request("'stop_token_ids' must be an array of token ids.", "stop_token_ids");
    params.stop_token_ids = parse_token_ids(*ids, "stop_token_ids");
  }
  params.ignore_eos = fields.boolean("ignore_eos").value_or(false);
  params.skip_special_tokens = fields.boolean("skip_special_tokens").value_or(true);
  params.stream = fields.boolean("stream").value_or(false);
  if (const Json* options = fields.find("stream_options")) {
    if (!params.stream) throw invalid_request("'stream_options' needs 'stream': true.", "stream_options");
    params.include_usage = RequestFields(*options, "stream_options.").boolean("include_usage").value_or(false);
  }
  return params;
}

/// A content's text: itself, or its parts put together.
std::string parse_content(const Json& content, const std::string& place) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    throw invalid_request(
        "'" + place + "' must be a string or an array of text parts, not " + content.type_name() + ".", place);
  }
  std::string text;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const std::string part_place = place + "[" + std::to_string(i) + "]";
    const RequestFields part(content[i], part_place + ".");
    const std::string type = part.string("type").value_or("");
    if (type != "text") {
      throw invalid_request("'" + part_place + "' is of type '" + type + "'; this model reads only text.",
                            part_place + ".type");
    }
    const auto part_text = part.string("text");
    if (!part_text) throw invalid_request("'" + part_place + ".text' is missing.", part_place + ".text");
    text += *part_text;
  }
  return text;
}

Json parse_message(const Json& message, const std::string& place) {
  constexpr std::array<std::string_view, 4> kRoles = {"system", "developer", "user", "assistant"};
  const RequestFields fields(message, place + ".");
  const std::string role = fields.string("role").value_or("");
  if (role == "tool" || role == "function" || fields.find("tool_calls") || fields.find("function_call")) {
    throw invalid_request("'" + place + "' belongs to a tool call; these are not supported yet.", place,
                          "unsupported_parameter");
  }
  if (std::ranges::find(kRoles, role) == kRoles.end()) {
    throw invalid_request("'" + place + ".role' must be system, developer, user or assistant, not '" + role + "'.",
                          place + ".role");
  }
  const Json* content = fields.find("content");
  if (!content) throw invalid_request("'" + place + ".content' is missing.", place + ".content");
  return {{"role", role}, {"content", parse_content(*content, place + ".content")}};
}

std::variant<std::string, std::vector<TokenId>> parse_prompt(const Json* prompt) {
  if (!prompt) throw invalid_request("'prompt' is missing.", "prompt");
  if (prompt->is_string()) return prompt->get<std::string>();
  if (!prompt->is_array() || prompt->empty()) {
    throw invalid_request("'prompt' must be a string or an array of token ids.", "prompt");
  }
  const Json& first = prompt->front();
  if (first.is_number()) return parse_token_ids(*prompt, "prompt");
  if (prompt->size() > 1) {
    throw invalid_request("Several prompts in one request are not supported yet.", "prompt", "unsupported_parameter");
  }
  if (first.is_string()) return first.get<std::string>();
  if (first.is_array()) return parse_token_ids(first, "prompt");
  throw invalid_request("'prompt' must be a string or an array of token ids.", "prompt");
}

}  // namespace

ChatRequest parse_chat_request(const Json& body, const engine::SamplingParams& defaults) {
  const RequestFields fields(body);
  ChatRequest request{.params = parse_params(fields, defaults), .messages = Json::array()};
  // The newer name wins, as in OpenAI's API.
  if (const auto max_tokens = fields.integer("max_completion_tokens", 1, kMaxInt64))
    request.params.max_tokens = max_tokens;
  const Json* messages = fields.find("messages");
  if (!messages || !messages->is_array() || messages->empty()) {
    throw invalid_request("'messages' must be an array with at least one message.", "messages");
  }
  for (std::size_t i = 0; i < messages->size(); ++i) {
    request.messages.push_back(parse_message((*messages)[i], "messages[" + std::to_string(i) + "]"));
  }
  return request;
}

CompletionRequest parse_completion_request(const Json& body, const engine::SamplingParams& defaults) {
  const RequestFields fields(body);
  return {.params = parse_params(fields, defaults), .prompt = parse_prompt(fields.find("prompt"))};
}

}  // namespace gpuinfer::server
