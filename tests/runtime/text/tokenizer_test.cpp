#include "runtime/text/tokenizer.hpp"

#include <random>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "catch.hpp"
#include "small_tokenizer.hpp"

using namespace gpuinfer;
using namespace gpuinfer::text;
using text::testing::small_spec;
using text::testing::small_vocabulary;
using text::testing::SmallVocabulary;

namespace {

using Ids = std::vector<TokenId>;

constexpr TokenId kHe = 256, kLl = 257, kHell = 258, kHello = 259, kSpaceHello = 260, kSpecial = 261, kThink = 262;

Ids bytes(std::string_view text) {
  Ids ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

}  // namespace

TEST_CASE("merges make words, bytes the rest") {
  const Tokenizer tokenizer(small_spec());
  CHECK(tokenizer.vocab_size() == 263);
  CHECK(tokenizer.encode("") == Ids{});
  CHECK(tokenizer.encode("hello hello") == Ids{kHello, kSpaceHello});
  CHECK(tokenizer.encode("hellhe") == Ids{kHell, kHe});
  CHECK(tokenizer.encode("lll") == Ids{kLl, 'l'});
  CHECK(tokenizer.encode("é") == bytes("é"));
  CHECK(tokenizer.decode(tokenizer.encode("hello, 🎉 hell")) == "hello, 🎉 hell");
}

TEST_CASE("long words and short ones are merged alike") {
  TokenizerSpec spec = small_spec();
  spec.splits.clear();
  const Tokenizer tokenizer(spec);
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    while (text.size() < 200) text += "helo "[random() % 5];
    // A byte without merges parts the text, so that it can be encoded in short parts, too.
    Ids in_parts;
    std::string whole;
    for (std::size_t at = 0; at < text.size(); at += 40) {
      const Ids part = tokenizer.encode(text.substr(at, 40));
      in_parts.insert(in_parts.end(), part.begin(), part.end());
      in_parts.push_back('.');
      whole += text.substr(at, 40) + ".";
    }
    REQUIRE(tokenizer.encode(whole) == in_parts);
  }
}

TEST_CASE("a user's text makes no special tokens") {
  const Tokenizer tokenizer(small_spec());
  CHECK(tokenizer.encode("<|a|>") == bytes("<|a|>"));
  CHECK(tokenizer.encode("<|a|>", Origin::kTemplate) == Ids{kSpecial});
  CHECK(tokenizer.encode("x<think>") == Ids{'x', kThink});  // added, but not special

  MarkedText prompt("<|a|>", Origin::kTemplate);
  prompt.append("<|a|>hello", Origin::kUser);
  prompt.append("<|a|>", Origin::kTemplate);
  Ids expected{kSpecial};
  for (const TokenId id : bytes("<|a|>")) expected.push_back(id);
  expected.insert(expected.end(), {kHello, kSpecial});
  CHECK(tokenizer.encode(prompt) == expected);
}

TEST_CASE("neither halves of a special token nor a merge make one") {
  MarkedText halves("<|", Origin::kUser);
  halves.append("a|>", Origin::kTemplate);
  const Tokenizer tokenizer(small_spec());
  CHECK(tokenizer.encode(halves) == bytes("<|a|>"));

  MarkedText before("<", Origin::kUser);
  before.append("<|a|>", Origin::kTemplate);
  CHECK(tokenizer.encode(before) == Ids{'<', kSpecial});

  SmallVocabulary vocabulary = small_vocabulary();
  vocabulary.tokens.insert(vocabulary.tokens.end(), {"<|", "a|>"});
  vocabulary.merges.insert(vocabulary.merges.end(), {{"<", "|"}, {"<|", "a|>"}});
  TokenizerSpec spec = small_spec(vocabulary, /*ignore_merges=*/true);
  spec.splits.clear();
  CHECK(Tokenizer(spec).encode("<|a|>") == Ids{263, 'a', '|', '>'});
}

TEST_CASE("an id is special where one of its contents is") {
  TokenizerSpec spec = small_spec();
  spec.added_tokens.push_back({.id = kSpecial, .content = "<b>"});
  const Tokenizer tokenizer(spec);
  CHECK(tokenizer.is_special(kSpecial));
  CHECK(tokenizer.encode("<b>") == bytes("<b>"));
  CHECK(tokenizer.encode("<b>", Origin::kTemplate) == Ids{kSpecial});
}

TEST_CASE("words are cut without regard to origins") {
  const Tokenizer tokenizer(small_spec());
  MarkedText text("he", Origin::kTemplate);
  text.append("llo", Origin::kUser);
  CHECK(tokenizer.encode(text) == Ids{kHello});
}

TEST_CASE("the flags of added tokens") {
  TokenizerSpec spec = small_spec();
  AddedToken& token = spec.added_tokens[1];
  SECTION("lstrip and rstrip take white space along") {
    token.lstrip = token.rstrip = true;
    const Tokenizer tokenizer(spec);
    CHECK(tokenizer.encode("a \u3000<think>\n <think> b") == Ids{'a', kThink, kThink, 'b'});
  }
  SECTION("single_word") {
    token.single_word = true;
    const Tokenizer tokenizer(spec);
    CHECK(tokenizer.encode("<think>") == Ids{kThink});
    CHECK(tokenizer.encode("-<think> ") == Ids{'-', kThink, ' '});
    CHECK(tokenizer.encode("a<think>") == bytes("a<think>"));
    CHECK(tokenizer.encode("<think>é") == bytes("<think>é"));
  }
  SECTION("the longest wins") {
    AddedToken longer;
    longer.id = 263;
    longer.content = "<think>!";
    spec.added_tokens.push_back(longer);
    spec.tokens.emplace_back("<think>!");
    const Tokenizer tokenizer(spec);
    CHECK(tokenizer.encode("<think>!<think>?") == Ids{263, kThink, '?'});
  }
}

TEST_CASE("ignore_merges takes whole pieces from the vocabulary") {
  SmallVocabulary vocabulary = small_vocabulary();
  vocabulary.tokens.emplace_back("ole");  // no merges lead here
  const Tokenizer tokenizer(small_spec(vocabulary));
  CHECK(tokenizer.encode("ole") == bytes("ole"));
  CHECK(tokenizer.encode("ole") == bytes("ole"));  // what is known by now is the same
  CHECK(Tokenizer(small_spec(vocabulary, /*ignore_merges=*/true)).encode("ole") == Ids{263});
}

TEST_CASE("decoding") {
  const Tokenizer tokenizer(small_spec());
  const Ids ids{kHello, kSpecial, kThink, 0xF0};
  CHECK(tokenizer.decode(ids) == "hello<think>\uFFFD");
  CHECK(tokenizer.decode(ids, SpecialTokens::kKeep) == "hello<|a|><think>\uFFFD");
  CHECK(tokenizer.token_bytes(0xF0) == "\xF0");
  CHECK(tokenizer.token_id("<|a|>") == kSpecial);
  CHECK_FALSE(tokenizer.token_id("hello"));
  CHECK(tokenizer.is_special(kSpecial));
  CHECK_FALSE(tokenizer.is_special(kThink));
  CHECK_FALSE(tokenizer.is_special(-1));
  CHECK_THROWS_WITH(tokenizer.decode(Ids{263}), "token id 263 is not in the vocabulary of 263 tokens");
  CHECK_THROWS_AS(tokenizer.token_bytes(-1), Error);
}

TEST_CASE("invalid UTF-8 counts as U+FFFD") {
  const Tokenizer tokenizer(small_spec());
  CHECK(tokenizer.encode("\xFF") == bytes("\uFFFD"));
}

TEST_CASE("a byte without a token is left out, as in tokenizers") {
  TokenizerSpec spec = small_spec();
  spec.tokens['x'].clear();
  CHECK(Tokenizer(spec).encode("helxlo") == Ids{kHello});
}

TEST_CASE("an added token outside the vocabulary") {
  TokenizerSpec spec = small_spec();
  spec.added_tokens[0].id = 263;
  CHECK_THROWS_WITH(Tokenizer(spec), Catch::Contains("outside the vocabulary of 263"));
}

TEST_CASE("stretches between added tokens are normalized") {
  TokenizerSpec spec = small_spec();
  spec.normalization = {normalization::Prepend{.text = " ", .unless_present = true}};
  CHECK(Tokenizer(spec).encode("hello<think>hello<think> hello") ==
        Ids{kSpaceHello, kThink, kSpaceHello, kThink, kSpaceHello});
  spec.normalization = {normalization::Prepend{.text = " ", .only_first = true}};
  CHECK(Tokenizer(spec).encode("hello<think>hello") == Ids{kSpaceHello, kThink, kHello});
}
