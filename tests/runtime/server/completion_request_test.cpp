// Which request bodies are understood, which are refused, and what the refusal names.
#include "runtime/server/completion_request.hpp"

#include "catch.hpp"
#include "runtime/model/mutations.hpp"
#include "runtime/server/api_error.hpp"
#include "runtime/server/request_fields.hpp"

namespace gpuinfer::server {
namespace {

const std::string kChat = R"({"model": "m", "messages": [{"role": "system", "content": "Be brief."},
  {"role": "user", "content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]}],
  "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "seed": -7, "stop": ["a", "b"],
  "stop_token_ids": [3], "stream": true, "stream_options": {"include_usage": true}, "user": "someone", "n": 1, "tools": [],
  "response_format": {"type": "text"}, "logprobs": false, "skip_special_tokens": false, "ignore_eos": true})";

ChatRequest chat(const std::string& body) { return parse_chat_request(parse_body(body), {}); }
CompletionRequest completion(const std::string& body) { return parse_completion_request(parse_body(body), {}); }

/// kChat with one more field, or another value for it.
std::string chat_with(const std::string& name, const std::string& value) {
  Json body = Json::parse(kChat);
  body[name] = Json::parse(value);
  return body.dump();
}

template <class Parse>
Json error_of(Parse parse) {
  try {
    parse();
  } catch (const ApiError& error) {
    CHECK(error.status() == 400);
    return error.body()["error"];
  }
  return nullptr;
}

TEST_CASE("every parameter of a chat request arrives") {
  const ChatRequest request = chat(kChat);
  CHECK(request.chat.messages ==
        Json::parse(R"([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}])"));
  const CompletionParams& params = request.params;
  CHECK(params.max_tokens == 5);
  CHECK(params.sampling.temperature == 0.5F);
  CHECK(params.sampling.top_p == 0.9F);
  CHECK(params.sampling.top_k == 40);
  CHECK(params.sampling.min_p == 0.1F);
  CHECK(params.sampling.seed == static_cast<std::uint64_t>(-7));
  CHECK(params.stop == std::vector<std::string>{"a", "b"});
  CHECK(params.stop_token_ids == std::vector<TokenId>{3});
  CHECK(params.ignore_eos);
  CHECK_FALSE(params.skip_special_tokens);
  CHECK(params.stream);
  CHECK(params.include_usage);
  CHECK(chat(chat_with("max_completion_tokens", "9")).params.max_tokens == 9);
}

TEST_CASE("what shapes the logits, and what else a request may say") {
  Json body = Json::parse(kChat);
  body.update(Json::parse(R"({"n": 3, "presence_penalty": 0.5, "frequency_penalty": -1, "repetition_penalty": 1.1,
      "logit_bias": {"5": -100, "17": 3.5}, "min_tokens": 4, "allowed_token_ids": [5, 17], "bad_words": ["x"],
      "logprobs": true, "top_logprobs": 2, "truncate_prompt_tokens": -1, "return_token_ids": true, "priority": -2,
      "cache_salt": "mine", "timeout": 1.5, "add_special_tokens": false, "add_generation_prompt": false,
      "chat_template_kwargs": {"enable_thinking": false}, "reasoning_effort": "low",
      "stream_options": {"continuous_usage_stats": true}})"));
  const ChatRequest request = chat(body.dump());
  const CompletionParams& params = request.params;
  CHECK(params.n == 3);
  CHECK(params.adjustments.presence_penalty == 0.5F);
  CHECK(params.adjustments.frequency_penalty == -1);
  CHECK(params.adjustments.repetition_penalty == 1.1F);
  CHECK(params.adjustments.logit_bias == std::vector<std::pair<TokenId, float>>{{5, -100.0F}, {17, 3.5F}});
  CHECK(params.adjustments.min_tokens == 4);
  CHECK(params.adjustments.allowed_tokens == std::vector<TokenId>{5, 17});
  CHECK(params.bad_words == std::vector<std::string>{"x"});
  CHECK(params.logprobs == 2);
  CHECK(params.truncate_prompt_tokens == -1);
  CHECK(params.return_token_ids);
  CHECK(params.priority == -2);
  CHECK(params.cache_salt == "mine");
  CHECK(params.timeout == std::chrono::milliseconds(1500));
  CHECK_FALSE(params.add_special_tokens);
  CHECK_FALSE(request.chat.add_generation_prompt);
  CHECK(request.chat.template_arguments == Json{{"enable_thinking", false}, {"reasoning_effort", "low"}});
  CHECK(params.continuous_usage_stats);

  const CompletionParams completion_params =
      completion(R"({"prompt": "a", "logprobs": 0, "echo": true, "prompt_logprobs": 1, "min_tokens": 20})").params;
  CHECK(completion_params.logprobs == 0);
  CHECK(completion_params.echo);
  CHECK(completion_params.prompt_logprobs == 1);
  CHECK(completion_params.max_tokens == 20);
}

TEST_CASE("null is absent, and the model's defaults fill what is absent") {
  const Json body =
      parse_body(R"({"messages": [{"role": "user", "content": ""}], "temperature": null, "stop": null, "seed": null,
                                   "stream_options": null, "tools": null, "logit_bias": null})");
  const engine::SamplingParams defaults{.temperature = 0.6F, .min_p = 0.05F, .top_k = 20, .top_p = 0.95F};
  const CompletionParams params = parse_chat_request(body, defaults).params;
  CHECK(params.sampling.temperature == 0.6F);
  CHECK(params.sampling.min_p == 0.05F);
  CHECK(params.sampling.top_k == 20);
  CHECK(params.sampling.top_p == 0.95F);
  CHECK(params.max_tokens == std::nullopt);
  CHECK(params.stop.empty());
  CHECK_FALSE(params.stream);
}

TEST_CASE("prompts are text or token ids") {
  using Prompts = std::vector<Prompt>;
  const std::vector<TokenId> ids = {1, 2};
  CHECK(completion(R"({"prompt": "abc"})").prompts == Prompts{"abc"});
  CHECK(completion(R"({"prompt": ["abc", "d"]})").prompts == Prompts{"abc", "d"});
  CHECK(completion(R"({"prompt": [1, 2]})").prompts == Prompts{ids});
  CHECK(completion(R"({"prompt": [[1, 2], "abc", [3]]})").prompts == Prompts{ids, "abc", std::vector<TokenId>{3}});

  const std::string prompt =
      GENERATE("null", "5", "{}", "[null]", "[-1]", "[1.5]", "[4294967296]", R"([1, "a"])", R"(["a", 5])");
  CAPTURE(prompt);
  CHECK(error_of([&] { completion("{\"prompt\": " + prompt + "}"); })["param"] == "prompt");
}

TEST_CASE("a wrong value is refused with the name of its field") {
  const auto [name, value] = GENERATE(table<std::string, std::string>({
      {"max_tokens", "0"},
      {"max_tokens", "-1"},
      {"max_tokens", "1.5"},
      {"max_tokens", "\"5\""},
      {"max_tokens", "18446744073709551615"},
      {"max_completion_tokens", "0"},
      {"temperature", "-0.1"},
      {"temperature", "2.1"},
      {"temperature", "\"hot\""},
      {"top_p", "1.1"},
      {"top_p", "-1"},
      {"top_k", "-2"},
      {"top_k", "0.5"},
      {"min_p", "2"},
      {"seed", "\"x\""},
      {"seed", "0.5"},
      {"stop", "\"\""},
      {"stop", "[\"a\", \"\"]"},
      {"stop", "[1]"},
      {"stop", "{}"},
      {"stop", R"(["1","2","3","4","5","6","7","8","9","a","b","c","d","e","f","g","h"])"},
      {"n", "0"},
      {"n", "129"},
      {"presence_penalty", "2.5"},
      {"frequency_penalty", "-3"},
      {"repetition_penalty", "0"},
      {"repetition_penalty", "\"x\""},
      {"logit_bias", R"({"five": 1})"},
      {"logit_bias", R"({"-5": 1})"},
      {"logit_bias", "[]"},
      {"min_tokens", "-1"},
      {"min_tokens", "6"},
      {"allowed_token_ids", "[]"},
      {"bad_words", "[\"\"]"},
      {"logprobs", "3"},
      {"top_logprobs", "21"},
      {"top_logprobs", "2"},
      {"prompt_logprobs", "2"},
      {"truncate_prompt_tokens", "0"},
      {"timeout", "0"},
      {"priority", "1.5"},
      {"cache_salt", "7"},
      {"add_generation_prompt", "1"},
      {"chat_template_kwargs", "[]"},
      {"chat_template_kwargs", R"({"messages": []})"},
      {"stop_token_ids", "3"},
      {"stop_token_ids", "[-3]"},
      {"stream", "1"},
      {"stream_options", "3"},
      {"ignore_eos", "\"yes\""},
      {"messages", "null"},
      {"messages", "[]"},
      {"messages", "\"hello\""},
  }));
  CAPTURE(name, value);
  const Json error = error_of([&] { chat(chat_with(name, value)); });
  CHECK(error["param"] == name);
  CHECK(error["type"] == "invalid_request_error");
  CHECK(error["code"] == nullptr);
}

TEST_CASE("a wrong message is refused with its place") {
  const auto [message, place] = GENERATE(table<std::string, std::string>({
      {R"(5)", "messages[0]"},
      {R"({"content": "a"})", "messages[0].role"},
      {R"({"role": "robot", "content": "a"})", "messages[0].role"},
      {R"({"role": 5, "content": "a"})", "messages[0].role"},
      {R"({"role": "user"})", "messages[0].content"},
      {R"({"role": "user", "content": 5})", "messages[0].content"},
      {R"({"role": "user", "content": ["a"]})", "messages[0].content[0]"},
      {R"({"role": "user", "content": [{"type": "image_url"}]})", "messages[0].content[0].type"},
      {R"({"role": "user", "content": [{"type": "text"}]})", "messages[0].content[0].text"},
      {R"({"role": "tool", "content": "a"})", "messages[0]"},
      {R"({"role": "assistant", "content": "a", "tool_calls": []})", "messages[0]"},
  }));
  CAPTURE(message);
  CHECK(error_of([&] { chat(chat_with("messages", "[" + message + "]")); })["param"] == place);
}

TEST_CASE("what we cannot do is refused, not ignored; asking for nothing is fine") {
  const auto [name, value] = GENERATE(table<std::string, std::string>({
      {"best_of", "2"},
      {"response_format", R"({"type": "json_schema", "json_schema": {}})"},
      {"response_format", R"({"type": "json_object"})"},
      {"tools", R"([{"type": "function"}])"},
      {"tool_choice", R"("required")"},
      {"echo", "true"},
      {"include_stop_str_in_output", "true"},
      {"chat_template", R"("{{ x }}")"},
      {"continue_final_message", "true"},
  }));
  CAPTURE(name, value);
  const Json error = error_of([&] { chat(chat_with(name, value)); });
  CHECK(error["param"] == name);
  CHECK(error["code"] == "unsupported_parameter");
}

TEST_CASE("values that ask for nothing are accepted") {
  const auto [name, value] = GENERATE(table<std::string, std::string>({
      {"n", "1"},
      {"logprobs", "false"},
      {"presence_penalty", "0"},
      {"frequency_penalty", "0.0"},
      {"repetition_penalty", "1.0"},
      {"logit_bias", "{}"},
      {"tool_choice", "\"none\""},
      {"tool_choice", "\"auto\""},
      {"response_format", "null"},
      {"metadata", R"({"anything": [1, 2]})"},
      {"never_heard_of", "true"},
  }));
  CAPTURE(name, value);
  CHECK_NOTHROW(chat(chat_with(name, value)));
  Json with_tools = Json::parse(chat_with("tools", R"([{"type": "function"}])"));
  with_tools["tool_choice"] = "none";
  CHECK_NOTHROW(chat(with_tools.dump()));
}

TEST_CASE("a body that is not a JSON object is refused") {
  const std::string body =
      GENERATE("", "{", "nonsense", "[]", "5", "null", "\"text\"", "{\"a\": 1e999}", "{\"a\": \"\xFF\"}", "{} {}",
               std::string(100, '[') + std::string(100, ']'), std::string(1 << 20, '['));
  const Json error = error_of([&] { chat(body); });
  CHECK(error.is_object());
  CHECK_NOTHROW(to_text(error));
}

TEST_CASE("an error does not repeat a whole prompt") {
  const std::string secret(5000, 's');
  CHECK(to_text(error_of([&] { chat(R"({"prompt": ")" + secret + "\xFF\"}"); })).find("sss") == std::string::npos);
  CHECK(to_text(error_of([&] {
          chat(chat_with("messages", R"([{"role": ")" + secret + R"(", "content": "a"}])"));
        })).size() < 2000);
}

TEST_CASE("stream_options need a stream") {
  CHECK(error_of([] {
          chat(R"({"messages": [{"role": "user", "content": "a"}], "stream_options": {"include_usage": true}})");
        })["param"] == "stream_options");
  CHECK(error_of([] { chat(chat_with("stream_options", R"({"include_usage": 1})")); })["param"] ==
        "stream_options.include_usage");
}

TEST_CASE("damaged bodies are understood or refused, nothing else") {
  const std::string kCompletion =
      R"({"prompt": ["once upon", [1, 2]], "max_tokens": 5, "seed": 1, "stop": "x", "stop_token_ids": [1, 2], "n": 2,
          "logit_bias": {"5": 1}, "bad_words": ["a"], "logprobs": 2, "echo": true, "timeout": 1.5})";
  for (std::uint64_t round = 0; round < 5000; ++round) {
    for (const bool is_chat : {true, false}) {
      const std::string valid = is_chat ? kChat : kCompletion;
      const std::string body = model::mutate(valid, valid.size(), round);
      CAPTURE(round, body);
      try {
        is_chat ? (void)chat(body) : (void)completion(body);
      } catch (const ApiError& error) {
        const std::string text = to_text(error.body());
        REQUIRE(Json::accept(text));
      }
    }
  }
}

}  // namespace
}  // namespace gpuinfer::server
