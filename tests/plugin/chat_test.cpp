// A conversation with a server that is played by the test.
#include "plugin/chat.hpp"

#include <random>

#include "base/error.hpp"
#include "catch.hpp"

namespace gpuinfer::plugin {

namespace {

/// Answers every post with `stream`, and remembers what it was asked.
class PlayedServer : public ServerConnection {
 public:
  int status = 200;
  std::string stream;
  std::vector<Json> requests;

  HttpAnswer get(const std::string&) override { return {.status = 404, .body = ""}; }

  HttpAnswer post(const std::string& path, const std::string& body,
                  const std::function<bool(std::string_view)>& on_piece) override {
    CHECK(path == "/v1/chat/completions");
    requests.push_back(Json::parse(body));
    if (status != 200) return {.status = status, .body = stream};
    for (std::size_t i = 0; i < stream.size(); i += 7) {
      if (!on_piece(std::string_view(stream).substr(i, 7))) break;
    }
    return {.status = 200, .body = ""};
  }
};

std::string event(const Json& json) { return "data: " + json.dump() + "\n\n"; }
std::string text_event(const std::string& text) {
  return event({{"choices", {{{"index", 0}, {"delta", {{"content", text}}}}}}});
}
std::string end_events(const std::string& reason) {
  return event({{"choices", {{{"index", 0}, {"delta", Json::object()}, {"finish_reason", reason}}}}}) +
         event({{"choices", Json::array()}, {"usage", {{"prompt_tokens", 5}, {"completion_tokens", 2}}}}) +
         "data: [DONE]\n\n";
}

struct Answer {
  std::string text;
  AnswerStats stats;
};

Answer ask(Chat& chat, const std::string& prompt) {
  Answer answer;
  answer.stats = chat.ask(prompt, [&](std::string_view text) {
    answer.text += text;
    return true;
  });
  return answer;
}

std::string error_of(Chat& chat) {
  try {
    ask(chat, "hello");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("an answer is streamed, counted and remembered") {
  PlayedServer server;
  server.stream = text_event("Hello") + text_event(" there") + end_events("stop");
  Chat chat(server, "m", "Be kind.", {.temperature = 0.0, .top_p = {}, .max_tokens = 9, .seed = 7});
  const Answer answer = ask(chat, "hi");
  CHECK(answer.text == "Hello there");
  CHECK(answer.stats.prompt_tokens == 5);
  CHECK(answer.stats.completion_tokens == 2);
  CHECK(answer.stats.finish_reason == "stop");
  const Json& request = server.requests.at(0);
  CHECK(request["model"] == "m");
  CHECK(request["stream"] == true);
  CHECK(request["temperature"] == 0.0);
  CHECK(request["max_tokens"] == 9);
  CHECK(request["seed"] == 7);
  CHECK_FALSE(request.contains("top_p"));
  CHECK(request["messages"] ==
        Json{{{"role", "system"}, {"content", "Be kind."}}, {{"role", "user"}, {"content", "hi"}}});

  ask(chat, "again");
  CHECK(server.requests.at(1)["messages"].size() == 4);
  CHECK(server.requests.at(1)["messages"][2]["content"] == "Hello there");
  chat.clear();
  CHECK(chat.messages().size() == 1);
  chat.set_system("");
  CHECK(chat.messages().empty());
}

TEST_CASE("an answer that is interrupted keeps what came so far") {
  PlayedServer server;
  server.stream = text_event("one") + text_event("two") + end_events("stop");
  Chat chat(server, "m", "", {});
  const AnswerStats stats = chat.ask("hi", [](std::string_view) { return false; });
  CHECK(stats.finish_reason == "interrupted");
  CHECK(chat.messages().back()["content"] == "one");
}

TEST_CASE("errors before, in and after the stream are shown, and the question is forgotten") {
  PlayedServer server;
  Chat chat(server, "m", "", {});
  server.status = 400;
  server.stream = R"({"error":{"message":"the prompt is too long","type":"invalid_request_error"}})";
  CHECK(error_of(chat).find("the prompt is too long") != std::string::npos);
  server.stream = R"({"kind":"Status","message":"services is forbidden"})";
  CHECK(error_of(chat).find("services is forbidden") != std::string::npos);
  server.stream = "<html>gateway</html>";
  CHECK(error_of(chat).find("gateway") != std::string::npos);
  server.status = 200;
  server.stream = text_event("par") + event({{"error", {{"message", "out of memory"}}}});
  CHECK(error_of(chat) == "the answer was cut off: out of memory");
  server.stream = text_event("par");
  CHECK(error_of(chat).find("the answer ended early") == 0);
  server.stream = "data: nonsense\n\n";
  CHECK(error_of(chat).find("not JSON") != std::string::npos);
  CHECK(chat.messages().empty());
}

TEST_CASE("a damaged stream is an answer or an error, never a crash") {
  PlayedServer server;
  const std::string good = text_event("Hello") + text_event(" there") + end_events("stop");
  Chat chat(server, "m", "", {});
  std::mt19937 random(2);
  for (int round = 0; round < 4000; ++round) {
    server.stream = good;
    for (int change = 0; change < 2; ++change)
      server.stream[random() % server.stream.size()] = static_cast<char>(random());
    if (round % 4 == 0) server.stream.resize(random() % server.stream.size());
    try {
      ask(chat, "hi");
    } catch (const Error&) {
    }
    chat.clear();
  }
}

TEST_CASE("how an answer came is said in one line") {
  CHECK(describe({.prompt_tokens = 5,
                  .completion_tokens = 11,
                  .first_token_seconds = 0.25,
                  .decode_seconds = 0.5,
                  .finish_reason = "stop"}) == "11 tokens, 20.0 tokens/s, first token after 0.25 s");
  CHECK(describe({.prompt_tokens = 5,
                  .completion_tokens = 1,
                  .first_token_seconds = 0.25,
                  .decode_seconds = 0,
                  .finish_reason = "length"}) == "first token after 0.25 s, stopped at the token limit");
}

}  // namespace gpuinfer::plugin
