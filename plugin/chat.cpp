// Speaks /v1/chat/completions (https://platform.openai.com/docs/api-reference/chat-streaming).
#include "plugin/chat.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/error.hpp"
#include "plugin/sse.hpp"

namespace gpuinfer::plugin {

namespace {

using Clock = std::chrono::steady_clock;

/// The text of an OpenAI error body, or the body itself where it is something else (a proxy's page, say).
std::string error_message(const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  if (json.is_object()) {
    // The API server's own errors are Status objects, with the message at the top.
    const Json& error = json.contains("error") && json["error"].is_object() ? json["error"] : json;
    if (error.contains("message") && error["message"].is_string()) return error["message"];
  }
  constexpr std::size_t kLongest = 300;
  return body.empty() ? "no explanation" : body.substr(0, kLongest);
}

std::string remedy_for(int status) {
  switch (status) {
    case 400:
      return "shorten the conversation ('/clear' in a chat) or change the options, then ask again";
    case 403:
      return "your user needs the permission 'create' on 'services/proxy' in the namespace";
    case 404:
      return "'kubectl gpuinfer status' shows what is deployed";
    case 429:
      return "the server is busy; ask again in a moment";
    case 503:
      return "the model is not ready yet; 'kubectl gpuinfer status' shows how far it is";
    default:
      return "'kubectl gpuinfer logs NAME' shows what the server says";
  }
}

/// What one event of the stream adds.
struct Chunk {
  std::string text;
  std::string finish_reason;
  int prompt_tokens = 0;
  int completion_tokens = 0;
};

Chunk parse_chunk(std::string_view data) {
  const Json event = Json::parse(data, nullptr, false);
  if (!event.is_object()) throw Error("the server sent an event that is not JSON: " + std::string(data.substr(0, 100)));
  if (event.contains("error"))
    throw Error("the answer was cut off: " + error_message(std::string(data)), remedy_for(500));
  Chunk chunk;
  try {
    // The last event may only carry the usage, with an empty list of choices.
    if (event.contains("usage") && event["usage"].is_object()) {
      chunk.prompt_tokens = event["usage"].value("prompt_tokens", 0);
      chunk.completion_tokens = event["usage"].value("completion_tokens", 0);
    }
    if (!event.contains("choices") || event["choices"].empty()) return chunk;
    const Json& choice = event["choices"].at(0);
    if (choice.contains("delta") && choice["delta"].contains("content") && choice["delta"]["content"].is_string()) {
      chunk.text = choice["delta"]["content"];
    }
    if (choice.contains("finish_reason") && choice["finish_reason"].is_string())
      chunk.finish_reason = choice["finish_reason"];
  } catch (const Json::exception&) {
    throw Error("the server sent an event that is not a chat completion: " + std::string(data.substr(0, 100)));
  }
  return chunk;
}

double seconds_between(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double>(end - start).count();
}

}  // namespace

std::string describe(const AnswerStats& stats) {
  char text[128];
  if (stats.completion_tokens > 1 && stats.decode_seconds > 0) {
    std::snprintf(text, sizeof text, "%d tokens, %.1f tokens/s, first token after %.2f s", stats.completion_tokens,
                  (stats.completion_tokens - 1) / stats.decode_seconds, stats.first_token_seconds);
  } else {
    std::snprintf(text, sizeof text, "first token after %.2f s", stats.first_token_seconds);
  }
  std::string description = text;
  if (stats.finish_reason == "length") description += ", stopped at the token limit";
  if (stats.finish_reason == "interrupted") description += ", interrupted";
  return description;
}

Chat::Chat(ServerConnection& server, std::string model, std::string system, SamplingOptions options)
    : server_(server), model_(std::move(model)), system_(std::move(system)), options_(options) {
  clear();
}

void Chat::clear() {
  messages_ = Json::array();
  if (!system_.empty()) messages_.push_back({{"role", "system"}, {"content", system_}});
}

void Chat::set_system(std::string system) {
  system_ = std::move(system);
  clear();
}

AnswerStats Chat::ask(const std::string& prompt, const std::function<bool(std::string_view)>& on_text) {
  const Json before = messages_;
  messages_.push_back({{"role", "user"}, {"content", prompt}});
  try {
    std::string answer;
    const AnswerStats stats = stream_answer(answer, on_text);
    messages_.push_back({{"role", "assistant"}, {"content", answer}});
    return stats;
  } catch (...) {
    messages_ = before;
    throw;
  }
}

AnswerStats Chat::stream_answer(std::string& answer, const std::function<bool(std::string_view)>& on_text) {
  Json request = {
      {"model", model_}, {"messages", messages_}, {"stream", true}, {"stream_options", {{"include_usage", true}}}};
  if (options_.temperature) request["temperature"] = *options_.temperature;
  if (options_.top_p) request["top_p"] = *options_.top_p;
  if (options_.max_tokens) request["max_tokens"] = *options_.max_tokens;
  if (options_.seed) request["seed"] = *options_.seed;

  AnswerStats stats;
  bool finished = false;
  bool interrupted = false;
  int text_events = 0;
  const Clock::time_point start = Clock::now();
  Clock::time_point first = start;
  Clock::time_point last = start;
  SseParser parser([&](std::string_view data) {
    if (data == "[DONE]") {
      finished = true;
      return;
    }
    const Chunk chunk = parse_chunk(data);
    if (!chunk.finish_reason.empty()) stats.finish_reason = chunk.finish_reason;
    stats.prompt_tokens = std::max(stats.prompt_tokens, chunk.prompt_tokens);
    stats.completion_tokens = std::max(stats.completion_tokens, chunk.completion_tokens);
    if (chunk.text.empty() || interrupted) return;
    last = Clock::now();
    if (++text_events == 1) first = last;
    answer += chunk.text;
    interrupted = !on_text(chunk.text);
  });
  const std::string body = request.dump(-1, ' ', false, Json::error_handler_t::replace);
  const HttpAnswer response = server_.post("/v1/chat/completions", body, [&](std::string_view piece) {
    parser.feed(piece);
    return !interrupted;
  });
  if (response.status != 200) {
    throw Error("the server answered " + std::to_string(response.status) + ": " + error_message(response.body),
                remedy_for(response.status));
  }
  if (interrupted) {
    stats.finish_reason = "interrupted";
  } else if (!finished) {
    throw Error("the answer ended early: the connection was closed before the end of the stream", remedy_for(500));
  }
  // A server that reports no usage sends about one token in an event.
  if (stats.completion_tokens == 0) stats.completion_tokens = text_events;
  stats.first_token_seconds = seconds_between(start, first);
  stats.decode_seconds = seconds_between(first, last);
  return stats;
}

}  // namespace gpuinfer::plugin
