#include "runtime/text/harmony.hpp"

#include <random>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "catch.hpp"
#include "small_tokenizer.hpp"

using namespace gpuinfer;
using namespace gpuinfer::text;

namespace {

const Tokenizer& harmony_tokenizer() {
  static const Tokenizer kTokenizer = [] {
    testing::SmallVocabulary vocabulary = testing::small_vocabulary();
    std::vector<AddedToken> added;
    for (const char* content :
         {"<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|call|>", "<|return|>", "<|constrain|>"}) {
      AddedToken token;
      token.id = static_cast<TokenId>(vocabulary.tokens.size());
      token.content = content;
      token.special = true;
      added.push_back(token);
      vocabulary.tokens.emplace_back(content);
    }
    TokenizerSpec spec = testing::small_spec(vocabulary);
    spec.added_tokens = added;
    return Tokenizer(spec);
  }();
  return kTokenizer;
}

/// The reply as reasoning, content, and each call as "name(arguments)".
struct Reply {
  std::string reasoning, content;
  std::vector<std::string> calls;
};

void take(const std::vector<HarmonyDelta>& deltas, Reply& reply) {
  for (const HarmonyDelta& delta : deltas) {
    if (delta.kind == HarmonyKind::kReasoning) reply.reasoning += delta.text;
    if (delta.kind == HarmonyKind::kContent) reply.content += delta.text;
    if (delta.kind != HarmonyKind::kToolCall) continue;
    if (delta.function) reply.calls.push_back(*delta.function + ": ");
    reply.calls.back() += delta.text;
  }
}

Reply parse(std::string_view text) {
  HarmonyParser parser(harmony_tokenizer());
  Reply reply;
  for (const TokenId id : harmony_tokenizer().encode(text, Origin::kTemplate)) take(parser.add(id), reply);
  take(parser.finish(), reply);
  return reply;
}

}  // namespace

TEST_CASE("thoughts, then the answer") {
  const Reply reply = parse(
      "<|channel|>analysis<|message|>Easy: 4\u2026<|end|><|start|>assistant<|channel|>final<|message|>It is "
      "4.<|return|>");
  CHECK(reply.reasoning == "Easy: 4\u2026");
  CHECK(reply.content == "It is 4.");
  CHECK(reply.calls.empty());
}

TEST_CASE("calls of tools, wherever the recipient stands") {
  for (const char* header :
       {" to=functions.get_weather<|channel|>commentary json", " to=get_weather<|channel|>analysis",
        "<|channel|>commentary to=functions.get_weather <|constrain|>json",
        "<|channel|>commentary to=functions.get_weather<|constrain|>json"}) {
    INFO(header);
    const Reply reply = parse(std::string(header) + "<|message|>{\"city\": \"K\u00F6ln\"}<|call|>");
    CHECK(reply.calls == std::vector<std::string>{"get_weather: {\"city\": \"K\u00F6ln\"}"});
    CHECK(reply.reasoning.empty());
    CHECK(reply.content.empty());
  }
  const Reply two = parse(
      "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant to=functions.a<|channel|>commentary "
      "json<|message|>{}<|call|><|start|>assistant to=functions.b<|channel|>commentary json<|message|>{}<|call|>");
  CHECK(two.content == "I look.");
  CHECK(two.calls == std::vector<std::string>{"a: {}", "b: {}"});
}

TEST_CASE("several messages of a kind are lines") {
  const Reply reply = parse(
      "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>analysis<|message|>b<|end|>"
      "<|start|>assistant<|channel|>commentary<|message|>c<|end|><|start|>assistant<|channel|>final<|message|>d");
  CHECK(reply.reasoning == "a\nb");
  CHECK(reply.content == "c\nd");
}

TEST_CASE("what a model leaves out") {
  CHECK(parse("<|channel|>final<|message|>cut of").content == "cut of");
  CHECK(parse("<|message|>no channel").content == "no channel");
  CHECK(parse("<|channel|>other<|message|>x").content == "x");
  CHECK(parse("<|channel|>analysis").reasoning.empty());
  const Reply no_end = parse("<|channel|>analysis<|message|>a<|start|>assistant<|channel|>final<|message|>b");
  CHECK(no_end.reasoning == "a");
  CHECK(no_end.content == "b");
  const Reply no_start = parse("<|channel|>analysis<|message|>a<|channel|>final<|message|>b");
  CHECK(no_start.reasoning == "a");
  CHECK(no_start.content == "b");
  CHECK(parse("<|channel|>final<|message|>a<|message|>b").content == "ab");
}

TEST_CASE("characters are whole, also where a message ends inside one") {
  HarmonyParser parser(harmony_tokenizer());
  for (const TokenId id : harmony_tokenizer().encode("<|channel|>final<|message|>", Origin::kTemplate)) parser.add(id);
  CHECK(parser.add(0xC3).empty());
  CHECK(parser.add(0xA9) == std::vector<HarmonyDelta>{{HarmonyKind::kContent, "\u00E9", std::nullopt}});
  CHECK(parser.add(0xC3).empty());
  CHECK(parser.finish() == std::vector<HarmonyDelta>{{HarmonyKind::kContent, "\uFFFD", std::nullopt}});
}

TEST_CASE("the format is read by token: text that looks like it is text") {
  HarmonyParser parser(harmony_tokenizer());
  Reply reply;
  for (const TokenId id : harmony_tokenizer().encode("<|channel|>final<|message|>", Origin::kTemplate)) parser.add(id);
  for (const TokenId id : harmony_tokenizer().encode("a<|end|>b", Origin::kUser)) take(parser.add(id), reply);
  CHECK(reply.content == "a<|end|>b");
}

TEST_CASE("any tokens in any order are read") {
  std::mt19937 random(17);
  for (int round = 0; round < 3000; ++round) {
    HarmonyParser parser(harmony_tokenizer());
    Reply reply;
    for (int i = 0; i < 30; ++i) {
      const std::size_t id = random() % 2 ? 263 + random() % 7 : random() % harmony_tokenizer().vocab_size();
      take(parser.add(static_cast<TokenId>(id)), reply);
    }
    take(parser.finish(), reply);
  }
}

TEST_CASE("a tokenizer without harmony") {
  const Tokenizer tokenizer(testing::small_spec());
  CHECK_THROWS_WITH(HarmonyParser(tokenizer), Catch::Contains("has no token <|start|>"));
}
