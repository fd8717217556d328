#include "runtime/text/pre_tokenizer.hpp"

#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "catch.hpp"

using namespace gpuinfer;
using namespace gpuinfer::text;

namespace {

using Pieces = std::vector<std::string>;

Pieces split(const std::vector<Split>& splits, std::string_view text, SplitEngine engine = SplitEngine::kFastest) {
  const auto pieces = PreTokenizer(splits, engine).split(text);
  return {pieces.begin(), pieces.end()};
}

}  // namespace

TEST_CASE("GPT-2 and SmolLM2") {
  CHECK(split({{split_pattern::kGpt2}}, "I'll go  to\n\n42nd!") ==
        Pieces{"I", "'ll", " go", " ", " to", "\n", "\n", "42", "nd", "!"});
  CHECK(split({{split_pattern::kDigit}, {split_pattern::kGpt2}}, "a 42") == Pieces{"a", " ", "4", "2"});
  CHECK(split({{split_pattern::kDigits}, {split_pattern::kGpt2}}, "a 42") == Pieces{"a", " ", "42"});
  CHECK(split({{split_pattern::kGpt2}}, "") == Pieces{});
  CHECK(split({}, "as it is") == Pieces{"as it is"});
}

TEST_CASE("o200k, whose two word patterns overlap") {
  const auto pieces = [](std::string_view text) { return split({{split_pattern::kO200k}}, text); };
  CHECK(pieces("HELLO'LL") == Pieces{"HELLO'LL"});
  CHECK(pieces("日本HELLO") == Pieces{"日本", "HELLO"});
  CHECK(pieces("HELLO日本") == Pieces{"HELLO日本"});
  CHECK(pieces("iPhone") == Pieces{"i", "Phone"});
  CHECK(pieces("hello   world") == Pieces{"hello", "  ", " world"});
  CHECK(pieces("x\n\n  y") == Pieces{"x", "\n\n", " ", " y"});
  CHECK(pieces("12345") == Pieces{"123", "45"});
}

TEST_CASE("white space is Unicode's, without the Mongolian vowel separator") {
  CHECK(split({{R"(\s+)"}}, "a\u00A0\u2003b\u180Ec") == Pieces{"a", "\u00A0\u2003", "b\u180Ec"});
  CHECK(split({{R"(\S+)"}}, "a\u180E b") == Pieces{"a\u180E", " ", "b"});
  CHECK(split({{R"([^\s]+)"}}, "a\u180E b") == Pieces{"a\u180E", " ", "b"});
}

TEST_CASE("what becomes of matches") {
  const auto cut = [](SplitBehavior behavior, bool invert) { return split({{" ", behavior, invert}}, " a  b "); };
  CHECK(cut(SplitBehavior::kIsolated, false) == Pieces{" ", "a", " ", " ", "b", " "});
  CHECK(cut(SplitBehavior::kRemoved, false) == Pieces{"a", "b"});
  CHECK(cut(SplitBehavior::kRemoved, true) == Pieces{" ", " ", " ", " "});
  CHECK(cut(SplitBehavior::kMergedWithPrevious, false) == Pieces{" ", "a ", " ", "b "});
  CHECK(cut(SplitBehavior::kMergedWithNext, false) == Pieces{" a", " ", " b", " "});
}

TEST_CASE("the scanners cut as their regular expressions do") {
  using namespace split_pattern;
  // Every class that a pattern tells apart, often enough next to every other.
  constexpr std::string_view kCharacters[] = {
      "a",      "s",      "S",      "T",      "re",     "LL",     "V", "e",  "\u017F", "\u01C5", "\u02B0",     "\u65E5",
      "1",      "\u0661", "\u2167", "\u00B2", "\u0301", "\u0903", " ", "  ", "\t",     "\n",     "\r",         "\v",
      "\u0085", "\u00A0", "\u2028", "\u3000", "\u180E", "\u200B", "'", "/",  ".",      "_",      "\U0001F389", "\x01"};
  std::mt19937 random(11);
  std::string text;
  for (int round = 0; round < 20000; ++round) {
    text.clear();
    for (std::size_t length = 1 + random() % 12; length > 0; --length)
      text += kCharacters[random() % std::size(kCharacters)];
    for (const char* pattern : {kGpt2, kDigit, kDigits, kLlama3, kQwen2, kO200k, kTekken}) {
      INFO(pattern << " on " << text);
      REQUIRE(find_split_scanner(pattern) != nullptr);
      REQUIRE(split({{pattern}}, text) == split({{pattern}}, text, SplitEngine::kRegex));
    }
  }
  CHECK(find_split_scanner("other") == nullptr);
}

TEST_CASE("patterns that cannot be used") {
  CHECK_THROWS_WITH(PreTokenizer({{"(unclosed"}}), Catch::Contains("'(unclosed' cannot be compiled"));
  CHECK_THROWS_AS(PreTokenizer({{R"(\C)"}}), Error);
  CHECK(split({{"x*"}}, "axxb") == Pieces{"a", "xx", "b"});  // empty matches cut nothing
  // Backtracks exponentially.
  CHECK_THROWS_AS(PreTokenizer({{"(a+a+)+[bc]"}}).split(std::string(64, 'a')), Error);
}
