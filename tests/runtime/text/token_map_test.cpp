// runtime/text/token_map: tokens of every length, alike and not.
#include "runtime/text/token_map.hpp"

#include "catch.hpp"

using namespace gpuinfer;
using namespace gpuinfer::text;

TEST_CASE("each token is found by its bytes, and nothing else is") {
  const std::string letters = "abcdefghijklmnopqrstuvwxyz";
  std::vector<std::string> tokens;
  for (std::size_t size = 0; size <= letters.size(); ++size) {
    tokens.push_back(letters.substr(0, size));
    tokens.push_back(tokens.back() + '\0');
    tokens.push_back("12345678" + letters.substr(0, size));
  }
  const TokenMap map(tokens);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    CAPTURE(i);
    CHECK(map.find(tokens[i]) == (tokens[i].empty() ? kNoToken : static_cast<TokenId>(i)));
    CHECK(map.find(tokens[i] + '!') == kNoToken);
    CHECK(map.find('!' + tokens[i]) == kNoToken);
  }
}

TEST_CASE("of tokens with the same bytes the first is found") {
  const std::vector<std::string> tokens = {"", "a", "long enough", "a", "long enough", ""};
  const TokenMap map(tokens);
  CHECK(map.find("a") == 1);
  CHECK(map.find("long enough") == 2);
  CHECK(map.find("") == kNoToken);
}

TEST_CASE("a table of many tokens finds them all, however they are looked up") {
  std::vector<std::string> tokens;
  for (int i = 0; i < 100'000; ++i) tokens.push_back("token " + std::to_string(i * 7919));
  const TokenMap map(tokens);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const TokenMap::Hash hash = TokenMap::hash(tokens[i]);
    map.prefetch_slot(hash);
    map.prefetch_rest(hash);
    if (map.find(tokens[i], hash) != static_cast<TokenId>(i)) FAIL(tokens[i]);
  }
}

TEST_CASE("an empty vocabulary has no token") { CHECK(TokenMap({}).find("a") == kNoToken); }
