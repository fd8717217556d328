// The server over HTTP, with a model that recites the alphabet.
#include "runtime/server/server.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <semaphore>
#include <thread>

#include "base/log.hpp"
#include "catch.hpp"
#include "runtime/server/alphabet_model.hpp"

namespace gpuinfer::server {
namespace {

using namespace std::chrono_literals;

/// A server on a free port of the loopback interface.
class TestServer {
 public:
  explicit TestServer(ServerOptions options = {}) : server_(with_loopback(std::move(options))), port_(server_.start()) {
    set_log_level(LogLevel::kError);
  }

  Server& server() { return server_; }
  int port() const { return port_; }

  std::shared_ptr<ServedModel> serve(engine::EngineOptions options = {}, std::function<void()> before_forward = {}) {
    options.on_step = [this](const engine::StepReport& report) { server_.metrics().on_step(report); };
    auto model = alphabet_model(std::move(options), std::move(before_forward));
    server_.serve(model);
    return model;
  }

  httplib::Result get(const std::string& path) const { return client().Get(path); }
  httplib::Result post(const std::string& path, const std::string& body, const httplib::Headers& headers = {}) const {
    return client().Post(path, headers, body, "application/json");
  }
  /// The value of a metric, by the beginning of its line.
  double metric(const std::string& name) const {
    const std::string text = get("/metrics")->body;
    const auto line = text.find("\n" + name);
    REQUIRE(line != std::string::npos);
    return std::stod(text.substr(text.find("} ", line) + 2));
  }
  void wait_for_metric(const std::string& name, double value) const {
    while (metric(name) != value) std::this_thread::sleep_for(5ms);
  }

 private:
  static ServerOptions with_loopback(ServerOptions options) {
    options.host = "127.0.0.1";
    options.port = 0;
    options.served_model_name = "alphabet";
    return options;
  }
  httplib::Client client() const {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(600s);
    return client;
  }

  Server server_;
  int port_;
};

/// A connection without a client library, for what well-behaved clients do not do.
class RawConnection {
 public:
  explicit RawConnection(int port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  }
  ~RawConnection() { close(socket_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void send(const std::string& bytes) { ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  void post(const std::string& path, const std::string& body) {
    send("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  /// Reads until `text` has come, or the end.
  std::string read_until(const std::string& text) {
    std::string read;
    std::array<char, 4096> buffer;
    while (read.find(text) == std::string::npos) {
      const ssize_t size = recv(socket_, buffer.data(), buffer.size(), 0);
      if (size <= 0) break;
      read.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return read;
  }

 private:
  int socket_;
};

/// Lets the engine take as many steps as the test says.
class Steps {
 public:
  std::function<void()> gate() {
    return [this] {
      started_.release();
      if (!open_) allowed_.acquire();
    };
  }
  void wait_until_started() { started_.acquire(); }
  void allow_one() { allowed_.release(); }
  void allow_all() {
    open_ = true;
    allowed_.release();
  }

 private:
  std::counting_semaphore<> started_{0};
  std::counting_semaphore<> allowed_{0};
  std::atomic<bool> open_ = false;
};

/// The JSON objects of a stream; the last event must be [DONE].
std::vector<Json> events(const std::string& body) {
  std::vector<Json> result;
  std::size_t begin = 0;
  bool done = false;
  while (begin < body.size()) {
    const std::size_t end = body.find("\n\n", begin);
    REQUIRE(end != std::string::npos);
    REQUIRE(body.compare(begin, 6, "data: ") == 0);
    const std::string data = body.substr(begin + 6, end - begin - 6);
    REQUIRE_FALSE(done);
    done = data == "[DONE]";
    if (!done) result.push_back(Json::parse(data));
    begin = end + 2;
  }
  REQUIRE(done);
  return result;
}

Json error_of(const httplib::Result& response) { return Json::parse(response->body).at("error"); }

const std::string kChat = "/v1/chat/completions";
const std::string kCompletions = "/v1/completions";

std::string chat(const std::string& content, const std::string& more = "") {
  return R"({"model": "alphabet", "messages": [{"role": "user", "content": ")" + content + "\"}]" + more + "}";
}

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

TEST_CASE("models are listed and found") {
  TestServer server;
  server.serve();
  const Json list = Json::parse(server.get("/v1/models")->body);
  CHECK(list["data"][0]["id"] == "alphabet");
  CHECK(list["data"][0]["max_model_len"] == 512);
  CHECK(Json::parse(server.get("/v1/models/alphabet")->body)["object"] == "model");
  CHECK(error_of(server.get("/v1/models/other/model"))["code"] == "model_not_found");
}

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
  CHECK(reply["usage"] == Json{{"prompt_tokens", 3}, {"completion_tokens", 5}, {"total_tokens", 8}});
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

TEST_CASE("a completion ends at a stop string, a stop token, its length or the end of the context") {
  TestServer server;
  server.serve();
  const auto complete = [&](const std::string& fields) {
    const Json choice = Json::parse(server.post(kCompletions, "{" + fields + "}")->body)["choices"][0];
    return std::pair(choice["text"].get<std::string>(), choice["finish_reason"].get<std::string>());
  };
  using Result = std::pair<std::string, std::string>;
  CHECK(complete(R"("prompt": "abc")") == Result{"defghijklmnopqrs", "length"});
  CHECK(complete(R"("prompt": "abc", "stop": "gh")") == Result{"def", "stop"});
  CHECK(complete(R"("prompt": "abc", "stop": ["x", "fg"], "stream": false)") == Result{"de", "stop"});
  CHECK(complete(R"("prompt": [97, 98])") == Result{"cdefghijklmnopqr", "length"});
  CHECK(complete(R"("prompt": "a!")") == Result{"", "stop"});
  CHECK(complete(R"("prompt": "a!", "ignore_eos": true, "max_tokens": 3)") == Result{"ab", "length"});
  CHECK(complete(R"("prompt": "a!", "ignore_eos": true, "max_tokens": 2, "skip_special_tokens": false)") ==
        Result{"<|a|>a", "length"});
  CHECK(complete(R"("prompt": "abc", "stop_token_ids": [102])") == Result{"de", "stop"});
  CHECK(complete(R"("prompt": "abc", "max_tokens": 100000)").first.size() == 509);
  const Json streamed =
      events(server.post(kCompletions, R"({"prompt": "x", "max_tokens": 1, "stream": true})")->body).front();
  CHECK(streamed["choices"][0]["text"] == "y");
}

TEST_CASE("errors have OpenAI's shape, also those of HTTP itself") {
  TestServer server({.http = {.max_body_bytes = 10000}});
  server.serve();
  const auto check = [](const httplib::Result& response, int status, const Json& param, const Json& code) {
    REQUIRE(response);
    CHECK(response->status == status);
    const Json error = error_of(response);
    CHECK(error["message"].is_string());
    CHECK(error["param"] == param);
    CHECK(error["code"] == code);
  };
  check(server.post(kChat, "{"), 400, nullptr, nullptr);
  check(server.post(kChat, ""), 400, nullptr, nullptr);
  check(server.post(kChat, chat("a", R"(, "temperature": 9)")), 400, "temperature", nullptr);
  check(server.post(kCompletions, R"({"model": "other", "prompt": "a"})"), 404, "model", "model_not_found");
  check(server.post(kCompletions, R"({"prompt": ""})"), 400, "prompt", nullptr);
  check(server.post(kCompletions, R"({"prompt": [270]})"), 400, "prompt", nullptr);
  check(server.post(kCompletions, R"({"prompt": ")" + std::string(512, 'a') + "\"}"), 400, "prompt",
        "context_length_exceeded");
  CHECK(server.post(kCompletions, R"({"prompt": ")" + std::string(511, 'a') + "\"}")->status == 200);
  check(server.post(kChat, std::string(20000, 'x')), 413, nullptr, nullptr);
  check(server.post(kChat, std::string(2000000, 'x')), 413, nullptr, nullptr);
  check(server.post("/v2/nothing", "{}"), 404, nullptr, "not_found");
  check(server.get("/"), 404, nullptr, "not_found");
  check(server.get(kChat), 405, nullptr, nullptr);
  check(server.post("/metrics", "{}"), 405, nullptr, nullptr);
  check(server.get("/" + std::string(9000, 'x')), 414, nullptr, nullptr);
}

TEST_CASE("both numbers are in the error of a prompt that is too long") {
  TestServer server;
  server.serve();
  const std::string message = error_of(server.post(kChat, chat(std::string(600, 'a'))))["message"];
  CHECK(message.find("512") != std::string::npos);
  CHECK(message.find("600") != std::string::npos);
}

TEST_CASE("what is not HTTP is refused or dropped, and the server goes on") {
  TestServer server;
  server.serve();
  for (const std::string& bytes :
       {std::string("\r\n\r\n"), std::string("nonsense\r\n\r\n"), std::string(100000, 'x'),
        std::string("POST /v1/completions HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n{"),
        std::string("POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        std::string("POST /v1/completions HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n--x"),
        std::string("GET /health HTTP/1.1\r\nRange: bytes=9-1\r\n\r\n"), std::string(1, '\0')}) {
    RawConnection connection(server.port());
    connection.send(bytes);
  }
  CHECK(server.get("/health")->status == 200);
}

TEST_CASE("a chunked body without end is cut off") {
  TestServer server({.http = {.max_body_bytes = 1000}});
  server.serve();
  RawConnection connection(server.port());
  connection.send("POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 4; ++i) connection.send("190\r\n" + std::string(400, 'x') + "\r\n");
  CHECK(connection.read_until("}}").find(" 413 ") != std::string::npos);
}

TEST_CASE("an API key is asked for on /v1 only") {
  TestServer server({.api_key = "secret"});
  server.serve();
  CHECK(server.get("/health")->status == 200);
  CHECK(server.get("/metrics")->status == 200);
  const auto refused = server.get("/v1/models");
  CHECK(refused->status == 401);
  CHECK(refused->get_header_value("WWW-Authenticate") == "Bearer");
  CHECK(server.post(kChat, chat("a"), {{"Authorization", "Bearer wrong!"}})->status == 401);
  CHECK(server.post(kChat, chat("a"), {{"Authorization", "Bearer secret"}})->status == 200);
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

TEST_CASE("a port that is taken is an error that says so") {
  TestServer first;
  Server second({.host = "127.0.0.1", .port = first.port()});
  CHECK_THROWS_WITH(second.start(), Catch::Contains("in use"));
}

}  // namespace
}  // namespace gpuinfer::server
