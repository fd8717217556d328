// The server's own endpoints and its life, over HTTP: loading, models, metrics, shutting down.
#include <atomic>
#include <thread>

#include "catch.hpp"
#include "runtime/server/test_server.hpp"

namespace gpuinfer::server {
namespace {

using namespace std::chrono_literals;

TEST_CASE("while the model is loading only its probes answer") {
  TestServer server;
  CHECK(server.get("/health")->status == 200);
  CHECK(server.get("/ready")->status == 503);
  CHECK(server.get("/metrics")->status == 200);
  CHECK(server.get("/v1/models")->status == 503);
  const auto refused = server.post(kChat, chat("a"));
  CHECK(refused->status == 503);
  CHECK(refused->has_header("Retry-After"));
  server.serve();
  CHECK(server.get("/ready")->status == 200);
  CHECK(server.post(kChat, chat("a"))->status == 200);
}

TEST_CASE("/ready and /metrics tell how far loading has come") {
  TestServer server;
  CHECK(Json::parse(server.get("/ready")->body) == Json{{"status", "loading"}});
  CHECK(server.metric("gpuinfer_model_load_total_bytes") == 0);
  server.server().load_progress()->total_bytes = 800;
  server.server().load_progress()->loaded_bytes = 600;
  const auto loading = server.get("/ready");
  CHECK(loading->status == 503);
  CHECK(Json::parse(loading->body) ==
        Json{{"status", "loading"}, {"loaded_bytes", 600}, {"total_bytes", 800}, {"share", 0.75}});
  CHECK(server.metric("gpuinfer_model_load_bytes") == 600);
  CHECK(server.metric("gpuinfer_model_load_total_bytes") == 800);
  server.server().load_progress()->waiting = 2s;
  CHECK(server.metric("gpuinfer_model_load_storage_wait_seconds") == 2);
  server.serve();
  CHECK(Json::parse(server.get("/ready")->body) == Json{{"status", "ready"}});
  const double seconds = server.metric("gpuinfer_model_load_seconds");
  CHECK(seconds > 0);
  CHECK(server.metric("gpuinfer_model_load_seconds") == seconds);
}

TEST_CASE("models are listed and found") {
  TestServer server;
  server.serve();
  const Json list = Json::parse(server.get("/v1/models")->body);
  CHECK(list["data"][0]["id"] == "alphabet");
  CHECK(list["data"][0]["max_model_len"] == 512);
  CHECK(Json::parse(server.get("/v1/models/alphabet")->body)["object"] == "model");
  CHECK(list["data"][1]["id"] == "abc");
  CHECK(list["data"][1]["root"] == "alphabet");
  CHECK(error_of(server.get("/v1/models/other/model"))["code"] == "model_not_found");
  CHECK(Json::parse(server.post(kCompletions, R"({"model": "abc", "prompt": "a"})")->body)["model"] == "alphabet");
}

TEST_CASE("while the model cannot be computed at all, probes say so and requests are refused") {
  std::atomic<bool> broken = true;
  TestServer server;
  server.serve({}, [&] {
    if (broken) throw std::runtime_error("no power");
  });
  CHECK(server.post(kChat, chat("abc"))->status == 500);
  while (server.get("/ready")->status == 200) std::this_thread::sleep_for(1ms);
  CHECK(Json::parse(server.get("/ready")->body) == Json{{"status", "broken"}, {"error", "no power"}});
  CHECK(server.get("/health")->status == 503);
  const auto refused = server.post(kCompletions, R"({"prompt": "a"})");
  CHECK(refused->status == 503);
  CHECK(refused->get_header_value("Retry-After") == "1");
  broken = false;
  while (server.get("/ready")->status != 200) std::this_thread::sleep_for(1ms);
  CHECK(server.get("/health")->status == 200);
  CHECK(server.post(kChat, chat("abc", R"(, "max_tokens": 5)"))->status == 200);
}

TEST_CASE("the prefix cache shows in usage and metrics") {
  TestServer server;
  server.serve();
  const std::string body = R"({"prompt": ")" + std::string(40, 'a') + R"(", "max_tokens": 1)";
  const auto cached = [&](const std::string& more) {
    const Json usage = Json::parse(server.post(kCompletions, body + more)->body)["usage"];
    return usage["prompt_tokens_details"]["cached_tokens"].get<int>();
  };
  CHECK(cached("}") == 0);
  CHECK(cached("}") == 32);
  CHECK(cached(R"(, "cache_salt": "mine"})") == 0);
  CHECK(server.metric("vllm:prefix_cache_queries_total") == 120);
  CHECK(server.metric("vllm:prefix_cache_hits_total") == 32);
}

TEST_CASE("metrics count what happened") {
  TestServer server;
  const auto model = server.serve();
  server.post(kChat, chat("abc", R"(, "max_tokens": 5)"));
  server.post(kCompletions, R"({"prompt": "a!"})");
  REQUIRE(model->engine->wait_until_idle(10min));
  CHECK(server.metric("vllm:prompt_tokens_total") == 5);
  CHECK(server.metric("vllm:generation_tokens_total") == 6);
  CHECK(server.metric(R"(vllm:request_success_total{engine="0",finished_reason="length")") == 1);
  CHECK(server.metric(R"(vllm:request_success_total{engine="0",finished_reason="stop")") == 1);
  CHECK(server.metric("vllm:num_requests_running") == 0);
  CHECK(server.metric("vllm:kv_cache_usage_perc") == 0);
  CHECK(server.metric("vllm:time_to_first_token_seconds_count") == 2);
  CHECK(server.metric("vllm:inter_token_latency_seconds_count") == 4);
}

TEST_CASE("shutting down finishes what runs and refuses the rest") {
  Steps steps;
  TestServer server;
  server.serve({}, steps.gate());
  std::string reply;
  std::thread client([&] { reply = server.post(kChat, chat("abc", R"(, "max_tokens": 5, "stream": true)"))->body; });
  steps.wait_until_started();
  std::thread shut_down([&] { server.server().shut_down(600s); });
  while (server.get("/ready")->status == 200) std::this_thread::sleep_for(1ms);
  CHECK(server.get("/health")->status == 200);
  CHECK(server.post(kChat, chat("a"))->status == 503);
  steps.allow_all();
  client.join();
  shut_down.join();
  CHECK(events(reply).back()["choices"][0]["finish_reason"] == "length");
  CHECK_FALSE(server.get("/health"));
}

TEST_CASE("what still runs at the drain limit gets an error") {
  Steps steps;
  TestServer server;
  server.serve({}, steps.gate());
  RawConnection connection(server.port());
  connection.post(kChat, chat("abc", R"(, "stream": true)"));
  steps.wait_until_started();
  std::thread shut_down([&] { server.server().shut_down(0s); });
  while (server.get("/ready")->status == 200) std::this_thread::sleep_for(1ms);
  steps.allow_all();
  shut_down.join();
  const std::string reply = connection.read_until("[DONE]");
  const bool finished_in_time = reply.find(R"("finish_reason":"length")") != std::string::npos;
  CHECK((finished_in_time || reply.find("shutting down") != std::string::npos));
}

TEST_CASE("a port that is taken is an error that says so") {
  TestServer first;
  Server second({.host = "127.0.0.1", .port = first.port()});
  CHECK_THROWS_WITH(second.start(), Catch::Contains("in use"));
}

}  // namespace
}  // namespace gpuinfer::server
