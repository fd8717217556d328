#include "runtime/text/detokenizer.hpp"

#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "small_tokenizer.hpp"

using namespace gpuinfer;
using namespace gpuinfer::text;

namespace {

constexpr TokenId kSpecial = 261;

std::vector<std::string> stream(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  Detokenizer detokenizer(tokenizer);
  std::vector<std::string> pieces;
  for (const TokenId id : ids) pieces.push_back(detokenizer.add(id));
  pieces.push_back(detokenizer.finish());
  return pieces;
}

}  // namespace

TEST_CASE("a character comes out with its last byte") {
  const Tokenizer tokenizer(testing::small_spec());
  CHECK(stream(tokenizer, {'a', 0xF0, 0x9F, 0x8E, 0x89, 0xC3, 0xA9}) ==
        std::vector<std::string>{"a", "", "", "", "🎉", "", "é", ""});
  CHECK(stream(tokenizer, {0xE6, 'a'}) == std::vector<std::string>{"", "\uFFFDa", ""});
  CHECK(stream(tokenizer, {0xE6, 0x97}) == std::vector<std::string>{"", "", "\uFFFD"});
  CHECK(stream(tokenizer, {'a', kSpecial, 'b'}) == std::vector<std::string>{"a", "", "b", ""});
}

TEST_CASE("the pieces of any ids are whole characters and add up to the text") {
  const Tokenizer tokenizer(testing::small_spec());
  std::mt19937 random(3);
  for (int round = 0; round < 3000; ++round) {
    std::vector<TokenId> ids;
    // Mostly bytes that begin or continue characters, so that every kind of break happens.
    while (ids.size() < 12) ids.push_back(static_cast<TokenId>(random() % 3 ? 0x80 + random() % 0x80 : random() % 263));
    std::string text;
    for (const std::string& piece : stream(tokenizer, ids)) {
      REQUIRE(to_valid_utf8(piece) == piece);
      text += piece;
    }
    REQUIRE(text == tokenizer.decode(ids));
  }
}
