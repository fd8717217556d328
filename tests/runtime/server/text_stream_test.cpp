// Tokens to text up to the first stop string, whatever the pieces in which tokens come.
#include "runtime/server/text_stream.hpp"

#include "catch.hpp"
#include "runtime/text/small_tokenizer.hpp"

namespace gpuinfer::server {
namespace {

using engine::FinishReason;

struct Result {
  std::string text;
  std::size_t tokens = 0;
  std::optional<FinishReason> finished;
  bool cancelled = false;
};

/// Streams the bytes of `text` (and a stop token, if that is the reason), `chunk` tokens at a time.
Result stream(const std::string& text, FinishReason reason, const CompletionParams& params, std::size_t chunk) {
  const text::Tokenizer tokenizer(text::testing::small_spec());
  std::vector<TokenId> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  if (reason == FinishReason::kStop) tokens.push_back('!');

  const auto queue = std::make_shared<engine::TokenQueue>();
  TextStream stream(engine::Generation(queue), &tokenizer, params);
  Result result;
  for (std::size_t i = 0; i < tokens.size() && !result.finished; ++i) {
    const bool last = i + 1 == tokens.size();
    queue->push({.id = tokens[i]}, last ? std::optional(reason) : std::nullopt);
    if ((i + 1) % chunk != 0 && !last) continue;
    const TextPiece piece = stream.next(std::chrono::seconds(1));
    result.text += piece.text;
    result.tokens += piece.tokens.size();
    result.finished = piece.finished;
  }
  result.cancelled = queue->cancelled();  // Also what has ended: nobody minds.
  return result;
}

TEST_CASE("text ends before the stop string, however it is cut, and the generation is cancelled") {
  const std::size_t chunk = GENERATE(1, 2, 3, 100);
  const Result result = stream("one two three", FinishReason::kLength, {.stop = {"two", "e t"}}, chunk);
  CHECK(result.text == "on");
  CHECK(result.tokens == 5);
  CHECK(result.finished == FinishReason::kStop);
  CHECK(result.cancelled);
}

TEST_CASE("what was held back for a stop string comes out at the end") {
  const std::size_t chunk = GENERATE(1, 2, 100);
  const Result result = stream("one tw", FinishReason::kLength, {.stop = {"two"}}, chunk);
  CHECK(result.text == "one tw");
  CHECK(result.finished == FinishReason::kLength);
}

TEST_CASE("a stop token is counted and not shown") {
  const std::size_t chunk = GENERATE(1, 2, 100);
  const Result result = stream("one", FinishReason::kStop, {}, chunk);
  CHECK(result.text == "one");
  CHECK(result.tokens == 4);
  CHECK(result.finished == FinishReason::kStop);
}

TEST_CASE("a stop string does not count before min_tokens") {
  const std::size_t chunk = GENERATE(1, 2, 100);
  const CompletionParams params{.adjustments = {.min_tokens = 5}, .stop = {"a"}};
  const Result result = stream("banana bar", FinishReason::kLength, params, chunk);
  CHECK(result.text == "banan");
  CHECK(result.tokens == 6);
  CHECK(result.finished == FinishReason::kStop);
}

TEST_CASE("characters come out whole; one that is cut off at the end becomes U+FFFD") {
  const std::size_t chunk = GENERATE(1, 2, 100);
  CHECK(stream("z\u00fcrich \u6c34 \U0001F600", FinishReason::kLength, {}, chunk).text ==
        "z\u00fcrich \u6c34 \U0001F600");
  CHECK(stream("a\xe6\xb0", FinishReason::kLength, {}, chunk).text == "a\ufffd");
}

}  // namespace
}  // namespace gpuinfer::server
