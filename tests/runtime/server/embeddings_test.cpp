// POST /v1/embeddings, over HTTP.
#include "catch.hpp"
#include "runtime/server/test_server.hpp"

namespace gpuinfer::server {
namespace {

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

}  // namespace
}  // namespace gpuinfer::server
