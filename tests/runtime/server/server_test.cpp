// The server over HTTP, with a model that recites the alphabet.
#include "runtime/server/server.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
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

TEST_CASE("several answers to several prompts, whole and streamed") {
  TestServer server;
  server.serve();
  const std::string body = R"({"prompt": ["ab", [120]], "n": 2, "max_tokens": 2, "temperature": 0)";
  const Json reply = Json::parse(server.post(kCompletions, body + "}")->body);
  REQUIRE(reply["choices"].size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(reply["choices"][i]["index"] == i);
    CHECK(reply["choices"][i]["text"] == (i < 2 ? "cd" : "yz"));
  }
  CHECK(reply["usage"]["prompt_tokens"] == 3);
  CHECK(reply["usage"]["completion_tokens"] == 8);

  std::map<int, std::string> texts;
  std::map<int, int> ends;
  for (const Json& chunk : events(server.post(kCompletions, body + R"(, "stream": true})")->body)) {
    const Json& choice = chunk["choices"][0];
    texts[choice["index"]] += choice["text"];
    if (!choice["finish_reason"].is_null()) ++ends[choice["index"]];
  }
  CHECK(texts == std::map<int, std::string>{{0, "cd"}, {1, "cd"}, {2, "yz"}, {3, "yz"}});
  CHECK(ends.size() == 4);
}

TEST_CASE("logprobs in both endpoints' shapes") {
  TestServer server;
  server.serve();
  const Json chat_reply =
      Json::parse(server.post(kChat, chat("ab", R"(, "max_tokens": 2, "logprobs": true, "top_logprobs": 2)"))->body);
  const Json content = chat_reply["choices"][0]["logprobs"]["content"];
  REQUIRE(content.size() == 2);
  CHECK(content[0]["token"] == "c");
  CHECK(content[0]["bytes"] == Json{99});
  CHECK(content[0]["logprob"].get<double>() == Approx(0).margin(1e-6));
  CHECK(content[0]["top_logprobs"].size() == 2);

  const Json reply = Json::parse(
      server.post(kCompletions, R"({"prompt": "abd", "max_tokens": 2, "logprobs": 1, "echo": true})")->body);
  CHECK(reply["choices"][0]["text"] == "abdef");
  const Json logprobs = reply["choices"][0]["logprobs"];
  CHECK(logprobs["tokens"] == Json{"a", "b", "d", "e", "f"});
  CHECK(logprobs["text_offset"] == Json{0, 1, 2, 3, 4});
  CHECK(logprobs["token_logprobs"][0].is_null());
  CHECK(logprobs["token_logprobs"][1].get<double>() == Approx(0).margin(1e-6));
  CHECK(logprobs["token_logprobs"][2].get<double>() == Approx(-100).margin(1e-3));  // "c" was to come.
  CHECK(logprobs["top_logprobs"][2].contains("c"));

  const Json prompt_logprobs =
      Json::parse(server.post(kCompletions, R"({"prompt": "abd", "max_tokens": 1, "prompt_logprobs": 1})")
                      ->body)["choices"][0]["prompt_logprobs"];
  REQUIRE(prompt_logprobs.size() == 3);
  CHECK(prompt_logprobs[0].is_null());
  CHECK(prompt_logprobs[1]["98"]["rank"] == 1);
  CHECK(prompt_logprobs[2]["99"]["decoded_token"] == "c");
}

TEST_CASE("a streamed echo with logprobs says what a whole one says") {
  TestServer server;
  server.serve();
  const std::string body =
      R"({"prompt": "abd", "max_tokens": 3, "logprobs": 0, "echo": true, "return_token_ids": true)";
  const Json whole = Json::parse(server.post(kCompletions, body + "}")->body)["choices"][0];
  std::string text;
  Json tokens = Json::array();
  Json offsets = Json::array();
  Json ids = Json::array();
  for (const Json& chunk : events(server.post(kCompletions, body + R"(, "stream": true})")->body)) {
    const Json& choice = chunk["choices"][0];
    text += choice["text"];
    if (choice["logprobs"].is_null()) continue;
    for (const Json& token : choice["logprobs"]["tokens"]) tokens.push_back(token);
    for (const Json& offset : choice["logprobs"]["text_offset"]) offsets.push_back(offset);
    for (const Json& id : choice["token_ids"]) ids.push_back(id);
  }
  CHECK(text == whole["text"]);
  CHECK(tokens == whole["logprobs"]["tokens"]);
  CHECK(offsets == whole["logprobs"]["text_offset"]);
  CHECK(ids == whole["token_ids"]);
  CHECK(whole["prompt_token_ids"] == Json{97, 98, 100});
}

TEST_CASE("parameters that shape the logits reach the model") {
  TestServer server;
  server.serve();
  const auto text = [&](const std::string& fields) {
    const Json reply =
        Json::parse(server.post(kCompletions, R"({"prompt": "ab", "max_tokens": 3, )" + fields + "}")->body);
    return reply["choices"][0]["text"].get<std::string>();
  };
  CHECK(text(R"("logit_bias": {"120": 50, "99": -100})") == "xyz");
  CHECK(text(R"("bad_words": ["d"], "allowed_token_ids": [99, 100, 101], "temperature": 0)") == "ccc");
  CHECK(text(R"("truncate_prompt_tokens": 1)") == "cde");
  const Json ended =
      Json::parse(server.post(kCompletions, R"({"prompt": "a!", "min_tokens": 3, "temperature": 0})")->body);
  CHECK(ended["usage"]["completion_tokens"] >= 3);
  CHECK(error_of(server.post(kCompletions, R"({"prompt": "a", "allowed_token_ids": [400]})"))["param"] ==
        "allowed_token_ids");
  CHECK(error_of(server.post(kCompletions, R"({"prompt": "a", "stop_token_ids": [400]})"))["param"] ==
        "stop_token_ids");
}

TEST_CASE("a model without tokenizer takes token ids and gives them back") {
  TestServer server;
  const auto model = server.serve();
  model->text.reset();
  const auto response = server.post(
      kCompletions, R"({"prompt": [97, 98], "max_tokens": 3, "return_token_ids": true, "logprobs": 1, "echo": true})");
  const Json choice = Json::parse(response->body)["choices"][0];
  CHECK(choice["text"] == "");
  CHECK(choice["token_ids"] == Json{97, 98, 99, 100, 101});
  CHECK(choice["prompt_token_ids"] == Json{97, 98});
  CHECK(choice["logprobs"]["tokens"][2] == "token_id:99");
  Json streamed = Json::array();
  for (const Json& chunk : events(
           server.post(kCompletions, R"({"prompt": [97], "max_tokens": 3, "return_token_ids": true, "stream": true})")
               ->body)) {
    if (!chunk["choices"][0].contains("token_ids")) continue;
    for (const Json& id : chunk["choices"][0]["token_ids"]) streamed.push_back(id);
  }
  CHECK(streamed == Json{98, 99, 100});
  CHECK(error_of(server.post(kCompletions, R"({"prompt": "abc"})"))["param"] == "prompt");
  CHECK(error_of(server.post(kCompletions, R"({"prompt": [97], "stop": "x"})"))["param"] == "stop");
  CHECK(error_of(server.post(kChat, chat("a")))["param"] == "messages");
  CHECK(server.post("/tokenize", R"({"prompt": "a"})")->status == 400);
  CHECK(server.post("/detokenize", R"({"tokens": [1]})")->status == 400);
  CHECK(server.post("/v1/embeddings", R"({"input": [97]})")->status == 200);
}

TEST_CASE("embeddings, as arrays and in base64") {
  TestServer server;
  const auto model = server.serve();
  model->pooling = GENERATE(engine::Pooling::kLast, engine::Pooling::kMean);
  const Json reply = Json::parse(server.post("/v1/embeddings", R"({"input": ["ab", [1], "c"]})")->body);
  CHECK(reply["object"] == "list");
  CHECK(reply["usage"] == Json{{"prompt_tokens", 4}, {"total_tokens", 4}});
  REQUIRE(reply["data"].size() == 3);
  CHECK(reply["data"][2]["index"] == 2);
  CHECK(reply["data"][0]["embedding"] == Json{0.5, 0.5, 0.5, 0.5});
  const Json base64 =
      Json::parse(server.post("/v1/embeddings", R"({"input": "ab", "encoding_format": "base64"})")->body);
  CHECK(base64["data"][0]["embedding"] == "AAAAPwAAAD8AAAA/AAAAPw==");

  const auto [body, param] = GENERATE(table<std::string, std::string>({
      {R"({"input": ""})", "input"},
      {R"({})", "input"},
      {R"({"input": [[]]})", "input"},
      {R"({"input": [400]})", "input"},
      {R"({"input": "a", "encoding_format": "int8"})", "encoding_format"},
      {R"({"input": "a", "dimensions": 2})", "dimensions"},
      {R"({"input": "a", "model": "other"})", "model"},
  }));
  CHECK(error_of(server.post("/v1/embeddings", body))["param"] == param);
}

TEST_CASE("texts become tokens and tokens texts") {
  TestServer server;
  server.serve();
  const auto post = [&](const std::string& path, const std::string& body) {
    return Json::parse(server.post(path, body)->body);
  };
  const Json tokens = post("/tokenize", R"({"prompt": "ab", "return_token_strs": true})");
  CHECK(tokens == Json{{"count", 2}, {"max_model_len", 512}, {"tokens", {97, 98}}, {"token_strs", {"a", "b"}}});
  CHECK(post("/tokenize", R"({"messages": [{"role": "user", "content": "abc"}]})")["count"] == 3);
  CHECK(post("/detokenize", R"({"tokens": [97, 98]})") == Json{{"prompt", "ab"}});
  CHECK(error_of(server.post("/tokenize", "{}"))["param"] == "prompt");
  CHECK(error_of(server.post("/detokenize", "{}"))["param"] == "tokens");
  CHECK(error_of(server.post("/detokenize", R"({"tokens": [9999]})"))["param"] == "tokens");
}

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

TEST_CASE("a thousand connections, most of them idle, leave room for one more") {
  TestServer server({.http = {.max_connections = 64}});
  server.serve();
  std::vector<std::unique_ptr<RawConnection>> idle;
  for (int i = 0; i < 1000; ++i) {
    auto& connection = *idle.emplace_back(std::make_unique<RawConnection>(server.port()));
    if (i % 2 == 0) connection.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  CHECK(server.post(kChat, chat("a"))->status == 200);
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
