// POST /v1/completions, over HTTP, with what both endpoints of completions share.
#include <map>

#include "catch.hpp"
#include "runtime/server/test_server.hpp"

namespace gpuinfer::server {
namespace {

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

}  // namespace
}  // namespace gpuinfer::server
