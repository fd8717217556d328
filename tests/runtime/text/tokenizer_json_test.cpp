#include "runtime/text/tokenizer_json.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "catch.hpp"
#include "runtime/model/mutations.hpp"
#include "runtime/text/split_scanners.hpp"
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
  const auto& bpe = std::get<BpeSpec>(spec.model);
  CHECK(bpe.merges == Merges{{0, 1, 7, 0}, {2, 2, 8, 1}, {7, 8, 9, 2}, {9, 3, 10, 3}});
  CHECK(bpe.ignore_merges);
  CHECK(spec.spelling == Spelling::kByteLevel);
  CHECK(spec.splits == std::vector<Split>{{split_pattern::kDigit}, {R"(\p{L}+|\s+)"}});
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

TEST_CASE("from a file, or without one") {
  CHECK(read_tokenizer_json("runtime/text/testdata/tokenizer.json").tokens.size() == 14);
  CHECK_THROWS_WITH(read_tokenizer_json("no/such/file.json"), "no/such/file.json: cannot be read");
}

TEST_CASE("optional parts") {
  CHECK(parse_with("/pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}).splits ==
        std::vector<Split>{{split_pattern::kGpt2}});
  CHECK(parse_with("/post_processor", nullptr).prefix.empty());
  CHECK(parse_with("/normalizer", {{"type", "Sequence"}, {"normalizers", Json::array()}}).tokens.size() == 14);
  Json without_type = Json::parse(file());
  without_type["model"].erase("type");
  CHECK(parse_tokenizer_json(without_type.dump(), "t.json").tokens.size() == 14);
}

TEST_CASE("what would change the ids and is not supported is refused") {
  CHECK(error_with("/model/type", "WordPiece") == "t.json: /model/type: the model 'WordPiece' is not supported");
  CHECK(error_with("/model/end_of_word_suffix", "</w>") ==
        "t.json: /model/end_of_word_suffix: an affix of subwords is not supported");
  CHECK(error_with("/normalizer", {{"type", "BertNormalizer"}}) ==
        "t.json: /normalizer: the normalizer 'BertNormalizer' is not supported");
  CHECK(error_with("/normalizer", {{"type", "Replace"}, {"pattern", {{"Regex", " +"}}}, {"content", " "}}) ==
        "t.json: /normalizer/pattern: a pattern that is not a String is not supported");
  CHECK(error_with("/pre_tokenizer/pretokenizers/0/type", "Metaspace") ==
        "t.json: /pre_tokenizer/pretokenizers/0: the pre-tokenizer 'Metaspace' is not supported");
  CHECK(
      error_with("/pre_tokenizer/pretokenizers/2/add_prefix_space", true) ==
      "t.json: /pre_tokenizer/pretokenizers/2/add_prefix_space: adding a space to pieces of the text is not supported");
  CHECK(error_with("/pre_tokenizer/pretokenizers/1/behavior", "Contiguous") ==
        "t.json: /pre_tokenizer/pretokenizers/1/behavior: the behavior 'Contiguous' is not supported");
  CHECK(error_with("/decoder/type", "WordPiece") ==
        "t.json: /decoder: the decoder 'WordPiece' with this vocabulary is not supported");
  CHECK(error_with("/post_processor/processors/0/type", "BertProcessing") ==
        "t.json: /post_processor/processors/0: the post-processor 'BertProcessing' is not supported");
}

TEST_CASE("SentencePiece's BPE, as Llama 2 and Gemma have it") {
  Json json = Json::parse(file());
  json["model"] = {
      {"type", "BPE"},
      {"unk_token", "<unk>"},
      {"fuse_unk", true},
      {"byte_fallback", true},
      {"vocab", {{"<unk>", 0}, {"<0x0A>", 1}, {"\u2581", 2}, {"h", 3}, {"i", 4}, {"hi", 5}, {"\u2581hi", 6}}},
      {"merges", {"h i", "\u2581 hi"}}};
  json["pre_tokenizer"] = nullptr;
  json["normalizer"] = {{"type", "Sequence"},
                        {"normalizers",
                         {{{"type", "Prepend"}, {"prepend", "\u2581"}},
                          {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}}}};
  json["decoder"] = {{"type", "Sequence"},
                     {"decoders",
                      {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
                       {{"type", "ByteFallback"}},
                       {{"type", "Fuse"}},
                       {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  json["added_tokens"][0]["id"] = 7;
  json["added_tokens"][1]["id"] = 8;
  json["added_tokens"][1]["single_word"] = false;
  const auto tokenizer = [&] { return Tokenizer(parse_tokenizer_json(json.dump(), "t.json")); };
  CHECK(tokenizer().encode("hi hi\nxyhi") == std::vector<TokenId>{6, 6, 1, 0, 5});
  CHECK(tokenizer().decode(std::vector<TokenId>{6, 6, 1, 5}) == "hi hi\nhi");

  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "first"}, {"split", false}};
  CHECK(tokenizer().encode("hi<tool>hi") == std::vector<TokenId>{6, 8, 5});
  json.erase("decoder");
  CHECK_THROWS_WITH(tokenizer(), "t.json: /decoder: is missing");
}

TEST_CASE("damaged files") {
  CHECK_THROWS_WITH(parse_tokenizer_json("{\"model\"", "t.json"), Catch::Contains("t.json: not JSON"));
  CHECK_THROWS_WITH(parse_tokenizer_json("{\"model\": 1e999}", "t.json"), Catch::Contains("t.json: not JSON"));
  CHECK_THROWS_WITH(parse_tokenizer_json("[]", "t.json"), "t.json: /model: is missing");
  CHECK(error_with("/model/vocab", nullptr) == "t.json: /model/vocab: is missing");
  CHECK(error_with("/model/vocab/h", -1) == "t.json: /model/vocab/h: is not a token id");
  CHECK(error_with("/model/vocab/h", 2147483647) == "t.json: /model/vocab/h: is not a token id");
  CHECK(error_with("/model/vocab/h", "0") == "t.json: /model/vocab/h: is not a token id");
  CHECK(error_with("/model/merges/0", "he") == "t.json: /model/merges: the merge 'he' is not a pair of tokens");
  CHECK(error_with("/model/merges/0", {"h", 1}) ==
        "t.json: /model/merges: the merge [\"h\",1] is not a pair of tokens");
  CHECK(error_with("/model/merges/0", "h x") ==
        "t.json: /model/merges: merge 0 of the tokenizer has or makes 'x', which is not a token");
  CHECK(error_with("/added_tokens/0/content", 1) == "t.json: /added_tokens/0/content: is not a string");
  CHECK(error_with("/added_tokens/0/id", 1e9) == "t.json: /added_tokens/0/id: is not a token id");
  CHECK(error_with("/post_processor/processors/1/single/0/SpecialToken/id", "<s>") ==
        "t.json: /post_processor/processors/1/single: '<s>' is not among the added tokens");
}

TEST_CASE("mutated files are read or refused") {
  for (const char* path : {"runtime/text/testdata/tokenizer.json", "runtime/text/testdata/sentencepiece.json",
                           "runtime/text/testdata/unigram.json"}) {
    const std::string valid = read_file(path);
    int read = 0;
    for (std::uint64_t seed = 0; seed < 3000; ++seed) {
      try {
        const Tokenizer tokenizer(parse_tokenizer_json(model::mutate(valid, valid.size(), seed), "t.json"));
        tokenizer.decode(tokenizer.encode("hello <tool> 12 <|begin|>\n\u00e9", Origin::kTemplate));
        ++read;
      } catch (const Error&) {
      }
    }
    CHECK(read > 0);
  }
}
