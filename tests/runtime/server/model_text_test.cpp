#include "runtime/server/model_text.hpp"

#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "catch.hpp"
#include "runtime/model/gguf_writer.hpp"
#include "runtime/model/model.hpp"
#include "runtime/model/tiny_model.hpp"
#include "temporary_folder.hpp"

using namespace gpuinfer;
using namespace gpuinfer::server;

namespace {

constexpr const char* kTemplate = "{% for m in messages %}{{ '<|im_start|>' + m.content + '<|im_end|>' }}{% endfor %}";

/// What a small GGUF file says; the tests change parts of it.
struct GgufFacts {
  std::string model = "gpt2";
  std::string pre = "smollm";
  std::vector<std::string> tokens = {"a",     "b", "ab", "1", "2", "12", "<|im_start|>", "<|im_end|>", "<|endoftext|>",
                                     "<tool>"};
  std::vector<std::int32_t> types = {1, 1, 1, 1, 1, 1, 3, 3, 3, 4};
  std::vector<std::string> merges = {"a b", "1 2"};
  std::uint32_t bos = 6;
  std::uint32_t eos = 7;
  std::string chat_template = kTemplate;
};

std::string gguf(const GgufFacts& facts, const std::vector<std::pair<const char*, bool>>& flags = {}) {
  model::GgufWriter writer;
  writer.add_string("tokenizer.ggml.model", facts.model);
  writer.add_string("tokenizer.ggml.pre", facts.pre);
  writer.add_strings("tokenizer.ggml.tokens", facts.tokens);
  writer.add_int32s("tokenizer.ggml.token_type", facts.types);
  writer.add_strings("tokenizer.ggml.merges", facts.merges);
  writer.add_uint32("tokenizer.ggml.bos_token_id", facts.bos);
  writer.add_uint32("tokenizer.ggml.eos_token_id", facts.eos);
  for (const auto& [key, value] : flags) writer.add_bool(key, value);
  if (!facts.chat_template.empty()) writer.add_string("tokenizer.chat_template", facts.chat_template);
  return writer.file();
}

ModelText load_gguf(const std::string& contents) {
  const TemporaryFolder folder;
  return load_model_text({model::Layout::kGguf, folder.write("m.gguf", contents)});
}

std::string error_of_gguf(const GgufFacts& facts) {
  try {
    load_gguf(gguf(facts));
  } catch (const Error& error) {
    const std::string what = error.what();
    return what.substr(what.find("m.gguf"));
  }
  return "no error";
}

std::string tokenizer_json() { return read_file("runtime/text/testdata/tokenizer.json"); }

}  // namespace

TEST_CASE("the text of a GGUF file") {
  const ModelText text = load_gguf(gguf({}));
  CHECK(text.tokenizer.encode("ab12") == std::vector<TokenId>{2, 3, 4});  // SmolLM2 cuts digits apart
  CHECK(text.tokenizer.encode("<tool>") == std::vector<TokenId>{9});
  CHECK(text.bos == 6);
  CHECK(text.eos == 7);
  CHECK(text.stop_ids == std::vector<TokenId>{7, 8});
  CHECK_FALSE(text.add_bos);
  REQUIRE(text.chat_template);
  CHECK(text.no_chat_template_reason.empty());
  const auto prompt = text.chat_template->render({{"messages", {{{"content", "ab"}}}}});
  CHECK(text.tokenizer.encode(prompt) == std::vector<TokenId>{6, 2, 7});
}

TEST_CASE("BOS and merges as the pre-tokenizer's family has them, or as the file says") {
  GgufFacts facts;
  facts.pre = "llama-bpe";
  CHECK(load_gguf(gguf(facts)).add_bos);
  CHECK(load_gguf(gguf(facts)).tokenizer.encode("12") == std::vector<TokenId>{5});
  CHECK_FALSE(load_gguf(gguf(facts, {{"tokenizer.ggml.add_bos_token", false}})).add_bos);
  CHECK(load_gguf(gguf({}, {{"tokenizer.ggml.add_bos_token", true}})).add_bos);
}

TEST_CASE("SentencePiece's BPE in a GGUF file") {
  const auto load = [](const std::vector<std::pair<const char*, bool>>& flags) {
    model::GgufWriter writer;
    writer.add_string("tokenizer.ggml.model", "llama");
    writer.add_strings("tokenizer.ggml.tokens",
                       {"<unk>", "<s>", "</s>", "<0x0A>", "\u2581", "h", "i", "hi", "\u2581hi", "<0", "x0A>"});
    writer.add_float32s("tokenizer.ggml.scores", {0, 0, 0, 0, -9, -9, -9, -1, -2, -9, -9});
    writer.add_int32s("tokenizer.ggml.token_type", {2, 3, 3, 6, 1, 1, 1, 1, 1, 1, 1});
    writer.add_uint32("tokenizer.ggml.bos_token_id", 1);
    writer.add_uint32("tokenizer.ggml.eos_token_id", 2);
    writer.add_uint32("tokenizer.ggml.unknown_token_id", 0);
    for (const auto& [key, value] : flags) writer.add_bool(key, value);
    return load_gguf(writer.file());
  };
  const ModelText text = load({});
  CHECK(text.add_bos);
  CHECK(text.tokenizer.encode("hi hi\nz") == std::vector<TokenId>{8, 8, 3, 0});
  CHECK(text.tokenizer.encode("</s>hi", text::Origin::kTemplate) == std::vector<TokenId>{2, 8});
  CHECK(text.tokenizer.decode(std::vector<TokenId>{8, 8, 3}) == "hi hi\n");

  const ModelText gemma = load({{"tokenizer.ggml.add_space_prefix", false}, {"tokenizer.ggml.add_bos_token", false}});
  CHECK_FALSE(gemma.add_bos);
  CHECK(gemma.tokenizer.encode("hi hi") == std::vector<TokenId>{7, 8});
  CHECK(gemma.tokenizer.decode(std::vector<TokenId>{8, 7}) == " hihi");
}

TEST_CASE("a chat template that is missing or cannot be used leaves the rest of the model usable") {
  GgufFacts facts;
  facts.chat_template.clear();
  const ModelText without = load_gguf(gguf(facts));
  CHECK_FALSE(without.chat_template);
  CHECK(without.no_chat_template_reason == "the model's files have no chat template");

  facts.chat_template = "{% call f() %}{% endcall %}";
  const ModelText unusable = load_gguf(gguf(facts));
  CHECK_FALSE(unusable.chat_template);
  CHECK_THAT(unusable.no_chat_template_reason, Catch::Contains("m.gguf cannot be used: line 1: the statement 'call'"));
}

TEST_CASE("GGUF files whose text we cannot use") {
  GgufFacts facts;
  SECTION("another kind of tokenizer") {
    facts.model = "t5";
    CHECK(error_of_gguf(facts) == "m.gguf: the tokenizer 't5' is not supported");
    facts.model = "llama";
    CHECK(error_of_gguf(facts) == "m.gguf: has no tokenizer.ggml.scores");
  }
  SECTION("an unknown pre-tokenizer") {
    facts.pre = "deepseek-llm";
    CHECK(error_of_gguf(facts) == "m.gguf: the pre-tokenizer 'deepseek-llm' (tokenizer.ggml.pre) is not supported");
  }
  SECTION("as many types as tokens") {
    facts.types.pop_back();
    CHECK(error_of_gguf(facts) == "m.gguf: 10 tokens, but 9 types of tokens");
  }
  SECTION("ids outside the vocabulary") {
    facts.eos = 10;
    CHECK(error_of_gguf(facts) == "m.gguf: tokenizer.ggml.eos_token_id is 10, outside the vocabulary of 10 tokens");
  }
  SECTION("a merge that is none") {
    facts.merges.emplace_back("ab");
    CHECK(error_of_gguf(facts) == "m.gguf: the merge 'ab' is not a pair of tokens");
  }
  SECTION("no tokenizer at all") {
    CHECK_THROWS_WITH(load_gguf(model::GgufWriter().file()), Catch::Contains("m.gguf: has no tokenizer.ggml.model"));
  }
}

TEST_CASE("the text of a Hugging Face folder") {
  const TemporaryFolder folder;
  const model::ModelLocation location{model::Layout::kHuggingFace, folder.path()};
  CHECK_THROWS_WITH(load_model_text(location), Catch::Contains("has no tokenizer.json"));
  folder.write("tokenizer.json", tokenizer_json());

  SECTION("tokenizer.json alone") {
    const ModelText text = load_model_text(location);
    CHECK(text.tokenizer.encode("hello") == std::vector<TokenId>{10});
    CHECK(text.bos == 12);
    CHECK(text.add_bos);
    CHECK_FALSE(text.eos);
    CHECK(text.stop_ids.empty());
    CHECK_FALSE(text.chat_template);
  }
  SECTION("with the files around it") {
    folder.write("tokenizer_config.json", R"({"eos_token": {"content": "<tool>"}, "bos_token": null,
        "chat_template": [{"name": "rag", "template": "rag"}, {"name": "default", "template": "{{ bos_token }}{{ eos_token }}"}]})");
    folder.write("special_tokens_map.json", R"({"bos_token": "<|begin|>"})");
    folder.write("generation_config.json", R"({"eos_token_id": [13, 2]})");
    const ModelText text = load_model_text(location);
    CHECK(text.eos == 13);
    CHECK(text.stop_ids == std::vector<TokenId>{2, 13});
    CHECK(text.chat_template->render({{"messages", Json::array()}}).str() == "<|begin|><tool>");

    folder.write("chat_template.jinja", "its own file");
    CHECK(load_model_text(location).chat_template->render({{"messages", Json::array()}}).str() == "its own file");
  }
  SECTION("one end of a reply, and a template that is a string") {
    folder.write("tokenizer_config.json", R"({"chat_template": "a string"})");
    folder.write("generation_config.json", R"({"eos_token_id": 3})");
    const ModelText text = load_model_text(location);
    CHECK(text.eos == 3);
    CHECK(text.stop_ids == std::vector<TokenId>{3});
    CHECK(text.chat_template->render({{"messages", Json::array()}}).str() == "a string");
  }
  SECTION("damaged files around it") {
    folder.write("generation_config.json", R"({"eos_token_id": 14})");
    CHECK_THROWS_WITH(load_model_text(location), Catch::Contains("eos_token_id is not a token id of this model"));
    folder.write("generation_config.json", "{");
    CHECK_THROWS_WITH(load_model_text(location), Catch::Contains("generation_config.json: not a JSON object"));
  }
}
