// POST /v1/chat/completions, over HTTP.
#include "catch.hpp"
#include "runtime/server/test_server.hpp"

namespace gpuinfer::server {
namespace {

TEST_CASE("a chat reply") {
  TestServer server;
  server.serve();
  const auto response = server.post(kChat, chat("abc", R"(, "max_tokens": 5)"), {{"X-Request-Id", "mine-1"}});
  CHECK(response->get_header_value("X-Request-Id") == "mine-1");
  const Json reply = Json::parse(response->body);
  CHECK(reply["id"] == "chatcmpl-mine-1");
  CHECK(reply["object"] == "chat.completion");
  CHECK(reply["choices"][0]["message"] == Json{{"role", "assistant"}, {"content", "defgh"}});
  CHECK(reply["choices"][0]["finish_reason"] == "length");
  CHECK(reply["usage"] == Json{{"prompt_tokens", 3},
                               {"completion_tokens", 5},
                               {"total_tokens", 8},
                               {"prompt_tokens_details", {{"cached_tokens", 0}}}});
}

TEST_CASE("a streamed chat reply") {
  TestServer server;
  server.serve();
  const auto response = server.post(
      kChat, chat("abc", R"(, "max_tokens": 3, "stream": true, "stream_options": {"include_usage": true})"));
  CHECK(response->get_header_value("Content-Type") == "text/event-stream");
  const std::vector<Json> chunks = events(response->body);
  std::string text;
  for (std::size_t i = 1; i + 2 < chunks.size(); ++i) {
    CHECK(chunks[i]["object"] == "chat.completion.chunk");
    CHECK(chunks[i]["usage"].is_null());
    text += chunks[i]["choices"][0]["delta"]["content"];
  }
  CHECK(chunks.front()["choices"][0]["delta"] == Json{{"role", "assistant"}, {"content", ""}});
  CHECK(text == "def");
  CHECK(chunks[chunks.size() - 2]["choices"][0]["finish_reason"] == "length");
  CHECK(chunks.back()["choices"].empty());
  CHECK(chunks.back()["usage"]["completion_tokens"] == 3);
}

TEST_CASE("both numbers are in the error of a prompt that is too long") {
  TestServer server;
  server.serve();
  const std::string message = error_of(server.post(kChat, chat(std::string(600, 'a'))))["message"];
  CHECK(message.find("512") != std::string::npos);
  CHECK(message.find("600") != std::string::npos);
}

}  // namespace
}  // namespace gpuinfer::server
