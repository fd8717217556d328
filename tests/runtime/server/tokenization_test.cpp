// POST /tokenize and /detokenize, over HTTP.
#include "catch.hpp"
#include "runtime/server/test_server.hpp"

namespace gpuinfer::server {
namespace {

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

}  // namespace
}  // namespace gpuinfer::server
