// SentencePiece's two models: BPE with byte fallback, and Unigram.
#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "catch.hpp"
#include "runtime/text/merges.hpp"
#include "runtime/text/sentencepiece_bpe.hpp"
#include "runtime/text/sentencepiece_spelling.hpp"
#include "runtime/text/unigram.hpp"

using namespace gpuinfer;
using namespace gpuinfer::text;

namespace {

using Ids = std::vector<TokenId>;

Ids encode(const TextModel& model, std::string_view text) {
  Ids ids;
  model.encode(text, ids);
  return ids;
}

}  // namespace

TEST_CASE("how SentencePiece spells bytes and spaces") {
  CHECK(byte_of_spelling("<0x0A>") == 10);
  CHECK(byte_of_spelling("<0xff>") == 255);
  CHECK_FALSE(byte_of_spelling("<0x0A"));
  CHECK_FALSE(byte_of_spelling("<0x-1>"));
  CHECK_FALSE(byte_of_spelling("<0x1 >"));
  CHECK(bytes_of_sentencepiece("\u2581a\u2581") == " a ");
  CHECK(bytes_of_sentencepiece("<0x41>") == "A");
}

TEST_CASE("merges from scores: the best score first, equals from the left") {
  const std::vector<std::string> tokens = {"a", "b", "c", "ab", "bc", "abc", "<b>", ""};
  const std::vector<double> scores = {-9, -9, -9, -2, -1, -2, 0, 0};
  CHECK(merges_by_score(tokens, scores) == Merges{{1, 2, 4, 1}, {0, 1, 3, 2}, {0, 4, 5, 2}, {3, 2, 5, 2}});
  const SentencePieceBpe bpe(tokens, {.merges = merges_by_score(tokens, scores)}, std::nullopt, false);
  CHECK(encode(bpe, "abc") == Ids{5});
  CHECK(encode(bpe, "abcbab") == Ids{5, 1, 3});
}

TEST_CASE("characters without a token become bytes, or else unknown") {
  const std::vector<std::string> tokens = {"<unk>", "a", "<0xC3>", "<0xA9>", "\u2581"};
  for (const bool fuse : {false, true}) {
    const SentencePieceBpe bpe(tokens, {.merges = {}, .fuse_unknown = fuse}, 0, /*byte_fallback=*/true);
    CHECK(encode(bpe, "a\u00E9") == Ids{1, 2, 3});
    CHECK(encode(bpe, "axya\u00E8\u2581x") == (fuse ? Ids{1, 0, 1, 0, 4, 0} : Ids{1, 0, 0, 1, 0, 4, 0}));
    CHECK(encode(bpe, "<0xC3>") != Ids{2});
  }
  CHECK(encode(SentencePieceBpe(tokens, {}, std::nullopt, false), "a\u00E9a") == Ids{1, 1});
}

TEST_CASE("cutting at space marks changes nothing, also where merges reach across some") {
  // Whatever the merges are, a long text is encoded as its words' merges in one list would be: the plain loop below.
  std::mt19937 random(5);
  const std::vector<std::string> alphabet = {"a", "b", "\u2581"};
  for (int vocabulary = 0; vocabulary < 60; ++vocabulary) {
    std::vector<std::string> tokens = alphabet;
    Merges merges;
    while (tokens.size() < 12) {
      const auto left = static_cast<TokenId>(random() % tokens.size());
      const auto right = static_cast<TokenId>(random() % tokens.size());
      const std::string merged = tokens[static_cast<std::size_t>(left)] + tokens[static_cast<std::size_t>(right)];
      if (std::find(tokens.begin(), tokens.end(), merged) != tokens.end()) continue;
      merges.push_back({left, right, static_cast<TokenId>(tokens.size()), static_cast<std::uint32_t>(merges.size())});
      tokens.push_back(merged);
    }
    const SentencePieceBpe bpe(tokens, {.merges = merges}, std::nullopt, false);
    for (int round = 0; round < 40; ++round) {
      std::string text;
      Ids expected;
      for (std::size_t length = 1 + random() % 90; length > 0; --length) {
        expected.push_back(static_cast<TokenId>(random() % alphabet.size()));
        text += alphabet[static_cast<std::size_t>(expected.back())];
      }
      for (const Merge& merge :
           merges) {  // each rank once, from the left: later merges make no pair of an earlier rank
        for (std::size_t i = 0; i + 1 < expected.size(); ++i) {
          if (expected[i] != merge.left || expected[i + 1] != merge.right) continue;
          expected[i] = merge.merged;
          expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
      }
      REQUIRE(encode(bpe, text) == expected);
    }
  }
}

TEST_CASE("Unigram finds the most probable tokens") {
  const std::vector<std::string> tokens = {"<unk>", "a", "b", "ab", "aba", "ba", ""};
  const UnigramSpec spec{.scores = {0, -2, -2, -3, -7, -3.5, 0}};
  const Unigram unigram(tokens, spec, 0, false);
  CHECK(encode(unigram, "ab") == Ids{3});
  CHECK(encode(unigram, "aba") == Ids{3, 1});
  CHECK(encode(unigram, "") == Ids{});
  CHECK(encode(unigram, "xya\u00E9") == Ids{0, 1, 0});
  CHECK(encode(Unigram(tokens, spec, std::nullopt, false), "xa") == Ids{1});
  CHECK_THROWS_AS(Unigram(tokens, UnigramSpec{.scores = {0}}, 0, false), Error);

  const Unigram bytes({"<unk>", "a", "<0xC3>", "<0xA9>"}, {.scores = {0, -1, 0, 0}}, 0, true);
  CHECK(encode(bytes, "\u00E9a\u00E8") == Ids{2, 3, 1, 0});
}
