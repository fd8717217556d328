#include "runtime/text/tokenizer_json.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "catch.hpp"
#include "runtime/model/mutations.hpp"
#include "runtime/text/pre_tokenizer.hpp"
#include "runtime/text/tokenizer.hpp"

using namespace gpuinfer;
using namespace gpuinfer::text;

namespace {

std::string file() { return read_file("runtime/text/testdata/tokenizer.json"); }

/// Parses the file with the value at `pointer` replaced.
TokenizerSpec parse_with(const char* pointer, const Json& value) {
  Json json = Json::parse(file());
  json[Json::json_pointer(pointer)] = value;
  return parse_tokenizer_json(json.dump(), "t.json");
}

std::string error_with(const char* pointer, const Json& value) {
  try {
    parse_with(pointer, value);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a tokenizer.json with everything that we read") {
  const TokenizerSpec spec = parse_tokenizer_json(file(), "t.json");
  CHECK(spec.tokens.size() == 14);
  CHECK(spec.tokens[10] == "hello");
  CHECK(spec.tokens[11].empty());
  CHECK(spec.merges ==
        std::vector<std::pair<std::string, std::string>>{{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}});
  CHECK(spec.split_patterns == std::vector<std::string>{split_pattern::kDigit, R"(\p{L}+|\s+)"});
  CHECK(spec.ignore_merges);
  CHECK(spec.prefix == std::vector<TokenId>{12});
  REQUIRE(spec.added_tokens.size() == 2);
  CHECK(spec.added_tokens[0].special);
  CHECK_FALSE(spec.added_tokens[0].lstrip);
  CHECK_FALSE(spec.added_tokens[1].special);
  CHECK(spec.added_tokens[1].single_word);
  CHECK(spec.added_tokens[1].lstrip);

  const Tokenizer tokenizer(spec);
  CHECK(tokenizer.encode("hello 12") == std::vector<TokenId>{10, 4, 5, 6});
  CHECK(tokenizer.vocab_size() == 14);
}

TEST_CASE("optional parts") {
  CHECK(parse_with("/pre_tokenizer", nullptr).split_patterns.empty());
  CHECK(parse_with("/pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}).split_patterns ==
        std::vector<std::string>{split_pattern::kGpt2});
  CHECK(parse_with("/post_processor", nullptr).prefix.empty());
  CHECK(parse_with("/normalizer", {{"type", "Sequence"}, {"normalizers", Json::array()}}).tokens.size() == 14);
  Json without_type = Json::parse(file());
  without_type["model"].erase("type");
  CHECK(parse_tokenizer_json(without_type.dump(), "t.json").merges.size() == 4);
}

TEST_CASE("what would change the ids and is not supported is refused") {
  CHECK(error_with("/model/type", "Unigram") == "t.json: /model/type: the model 'Unigram' is not supported");
  CHECK(error_with("/model/byte_fallback", true) ==
        "t.json: /model/byte_fallback: byte fallback (SentencePiece's kind of BPE) is not supported");
  CHECK(error_with("/model/end_of_word_suffix", "</w>") ==
        "t.json: /model/end_of_word_suffix: an affix of subwords is not supported");
  CHECK(error_with("/normalizer", {{"type", "NFC"}}) == "t.json: /normalizer: the normalizer 'NFC' is not supported");
  CHECK(error_with("/pre_tokenizer", {{"type", "Metaspace"}}) ==
        "t.json: /pre_tokenizer: the pre-tokenizer 'Metaspace' is not supported");
  CHECK(error_with("/pre_tokenizer/pretokenizers/2/add_prefix_space", true) ==
        "t.json: /pre_tokenizer/pretokenizers/2/add_prefix_space: adding a space before the text is not supported");
  CHECK(error_with("/pre_tokenizer/pretokenizers/1/behavior", "Removed") ==
        "t.json: /pre_tokenizer/pretokenizers/1/behavior: a behavior other than 'Isolated' is not supported");
  CHECK(error_with("/pre_tokenizer/pretokenizers/1/pattern", {{"String", " "}}) ==
        "t.json: /pre_tokenizer/pretokenizers/1/pattern: a pattern that is not a Regex is not supported");
  CHECK(error_with("/post_processor/processors/0/type", "BertProcessing") ==
        "t.json: /post_processor/processors/0: the post-processor 'BertProcessing' is not supported");
}

TEST_CASE("damaged files") {
  CHECK_THROWS_WITH(parse_tokenizer_json("{\"model\"", "t.json"), "t.json: byte 9: not JSON");
  CHECK_THROWS_WITH(parse_tokenizer_json("{\"model\": 1e999}", "t.json"), "t.json: has a number that is out of range");
  CHECK_THROWS_WITH(parse_tokenizer_json("[]", "t.json"), "t.json: /model: is missing");
  CHECK(error_with("/model/vocab", nullptr) == "t.json: /model/vocab: is missing");
  CHECK(error_with("/model/vocab/h", -1) == "t.json: /model/vocab/h: is not a token id");
  CHECK(error_with("/model/vocab/h", 2147483647) == "t.json: /model/vocab/h: is not a token id");
  CHECK(error_with("/model/vocab/h", "0") == "t.json: /model/vocab/h: is not a token id");
  CHECK(error_with("/model/merges/0", "he") == "t.json: /model/merges/0: is not a pair of tokens");
  CHECK(error_with("/model/merges/0", {"h", 1}) == "t.json: /model/merges/0: is not a string");
  CHECK(error_with("/added_tokens/0/content", 1) == "t.json: /added_tokens/0/content: is not a string");
  CHECK(error_with("/added_tokens/0/id", 1e9) == "t.json: /added_tokens/0/id: is not a token id");
  CHECK(error_with("/post_processor/processors/1/single/0/SpecialToken/id", "<s>") ==
        "t.json: /post_processor/processors/1/single: '<s>' is not among the added tokens");
}

TEST_CASE("mutated files are read or refused") {
  const std::string valid = file();
  int read = 0;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    try {
      const Tokenizer tokenizer(parse_tokenizer_json(model::mutate(valid, valid.size(), seed), "t.json"));
      tokenizer.decode(tokenizer.encode("hello <tool> 12 <|begin|>", Origin::kTemplate));
      ++read;
    } catch (const Error&) {
    }
  }
  CHECK(read > 0);
}
