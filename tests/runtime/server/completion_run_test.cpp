// Completions that run beside others, out of time, out of a client or into an error.
#include <atomic>
#include <thread>

#include "catch.hpp"
#include "runtime/server/test_server.hpp"

namespace gpuinfer::server {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a request whose time is up gets 504") {
  Steps steps;
  TestServer server;
  server.serve({}, steps.gate());
  std::thread client([&] {
    const auto response = server.post(kChat, chat("abc", R"(, "timeout": 0.001)"));
    CHECK(response->status == 504);
    CHECK(error_of(response)["code"] == "deadline_exceeded");
  });
  // Whether it comes before the first step or during it: no step ends before the time is up.
  std::this_thread::sleep_for(2ms);
  steps.allow_all();
  client.join();
}

TEST_CASE("a client that leaves is noticed, and its pages are free after the step that runs") {
  const bool streamed = GENERATE(false, true);
  Steps steps;
  TestServer server;
  const auto model = server.serve({}, steps.gate());
  {
    RawConnection connection(server.port());
    connection.post(kChat, chat("abc", streamed ? R"(, "stream": true)" : ""));
    steps.wait_until_started();
  }
  server.wait_for_metric(R"(vllm:request_success_total{engine="0",finished_reason="abort")", 1);
  CHECK(model->engine->statistics().kv_pages_used == 0);  // Not published before the step ends.
  steps.allow_one();
  CHECK(model->engine->wait_until_idle(10min));  // No other step was allowed.
  CHECK(model->engine->statistics().kv_pages_used == 0);
  steps.allow_all();
}

TEST_CASE("a full queue answers 429 with Retry-After") {
  Steps steps;
  TestServer server;
  const auto model = server.serve({.limits = {.max_running = 1}, .max_waiting = 0}, steps.gate());
  std::thread first([&] { server.post(kChat, chat("a", R"(, "max_tokens": 2)")); });
  steps.wait_until_started();
  const auto refused = server.post(kChat, chat("a"));
  CHECK(refused->status == 429);
  CHECK(refused->get_header_value("Retry-After") == "1");
  steps.allow_all();
  first.join();
}

TEST_CASE("many streams at once") {
  TestServer server;
  server.serve({.limits = {.max_running = 8}});
  std::atomic<int> right = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 64; ++i) {
    clients.emplace_back([&, i] {
      const std::string first(1, static_cast<char>('a' + i % 20));
      const auto response =
          server.post(kCompletions, R"({"prompt": ")" + first + R"(", "max_tokens": 5, "stream": true})");
      std::string text;
      std::string expected;
      for (int n = 1; n <= 5; ++n) expected += static_cast<char>(first[0] + n);
      for (std::size_t at = 0; (at = response->body.find(R"("text":")", at)) != std::string::npos;) {
        at += 8;
        text += response->body.substr(at, response->body.find('"', at) - at);
      }
      if (text == expected) ++right;
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(right == 64);
}

TEST_CASE("a step that throws ends its requests with an error, and the server goes on") {
  std::atomic<int> steps_until_failure = 0;
  TestServer server;
  const auto model = server.serve({}, [&] {
    if (steps_until_failure-- == 0) throw std::runtime_error("no power");
  });
  const auto fail_after = [&](int steps) {
    REQUIRE(model->engine->wait_until_idle(10min));  // After a failure the engine takes a step of its own.
    steps_until_failure = steps;
  };
  const auto whole = server.post(kChat, chat("abc"));
  CHECK(whole->status == 500);
  CHECK(error_of(whole)["type"] == "server_error");
  CHECK(error_of(whole)["message"] == "The generation failed: no power.");

  fail_after(0);
  CHECK(server.post("/v1/embeddings", R"({"input": "abc"})")->status == 500);
  fail_after(0);
  CHECK(server.post(kChat, chat("abc", R"(, "stream": true)"))->status == 500);  // Before its first token.

  fail_after(3);
  const auto streamed = server.post(kChat, chat("abc", R"(, "stream": true, "n": 2)"));
  CHECK(streamed->status == 200);
  CHECK(events(streamed->body).back()["error"]["message"] == "The generation failed: no power.");

  REQUIRE(model->engine->wait_until_idle(10min));
  CHECK(model->engine->statistics().kv_pages_used == 0);
  CHECK(server.get("/ready")->status == 200);
  CHECK(server.post(kChat, chat("abc", R"(, "max_tokens": 5)"))->status == 200);
  server.wait_for_metric(R"(vllm:request_success_total{engine="0",finished_reason="error")", 4);
}

}  // namespace
}  // namespace gpuinfer::server
