#include "runtime/text/pre_tokenizer.hpp"

#include <string>
#include <vector>

#include "base/error.hpp"
#include "catch.hpp"

using namespace gpuinfer;
using namespace gpuinfer::text;

namespace {

std::vector<std::string> split(const std::vector<std::string>& patterns, std::string_view text) {
  const auto pieces = PreTokenizer(patterns).split(text);
  return {pieces.begin(), pieces.end()};
}

using Pieces = std::vector<std::string>;

}  // namespace

TEST_CASE("GPT-2 and SmolLM2") {
  CHECK(split({split_pattern::kGpt2}, "I'll go  to\n\n42nd!") ==
        Pieces{"I", "'ll", " go", " ", " to", "\n", "\n", "42", "nd", "!"});
  CHECK(split({split_pattern::kDigit, split_pattern::kGpt2}, "a 42") == Pieces{"a", " ", "4", "2"});
  CHECK(split({split_pattern::kDigits, split_pattern::kGpt2}, "a 42") == Pieces{"a", " ", "42"});
  CHECK(split({split_pattern::kGpt2}, "") == Pieces{});
  CHECK(split({}, "as it is") == Pieces{"as it is"});
}

TEST_CASE("o200k, whose two word patterns overlap") {
  const auto pieces = [](std::string_view text) { return split({split_pattern::kO200k}, text); };
  CHECK(pieces("HELLO'LL") == Pieces{"HELLO'LL"});
  CHECK(pieces("日本HELLO") == Pieces{"日本", "HELLO"});
  CHECK(pieces("HELLO日本") == Pieces{"HELLO日本"});
  CHECK(pieces("iPhone") == Pieces{"i", "Phone"});
  CHECK(pieces("hello   world") == Pieces{"hello", "  ", " world"});
  CHECK(pieces("x\n\n  y") == Pieces{"x", "\n\n", " ", " y"});
  CHECK(pieces("12345") == Pieces{"123", "45"});
}

TEST_CASE("white space is Unicode's, without the Mongolian vowel separator") {
  CHECK(split({R"(\s+)"}, "a\u00A0\u2003b\u180Ec") == Pieces{"a", "\u00A0\u2003", "b\u180Ec"});
  CHECK(split({R"(\S+)"}, "a\u180E b") == Pieces{"a\u180E", " ", "b"});
  CHECK(split({R"([^\s]+)"}, "a\u180E b") == Pieces{"a\u180E", " ", "b"});
}

TEST_CASE("patterns that cannot be used") {
  CHECK_THROWS_WITH(PreTokenizer({"(unclosed"}), Catch::Contains("'(unclosed' cannot be compiled"));
  CHECK_THROWS_AS(PreTokenizer({R"(\C)"}), Error);
  CHECK(split({"x*"}, "axxb") == Pieces{"a", "xx", "b"});  // empty matches cut nothing
  // Backtracks exponentially.
  CHECK_THROWS_AS(PreTokenizer({"(a+a+)+[bc]"}).split(std::string(64, 'a')), Error);
}
