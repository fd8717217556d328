// What clients do to HTTP itself: many connections, wrong requests, bodies that do not end, keys.
#include "catch.hpp"
#include "runtime/server/test_server.hpp"

namespace gpuinfer::server {
namespace {

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

}  // namespace
}  // namespace gpuinfer::server
