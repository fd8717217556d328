// The tokenizer and the chat template in a GGUF file's metadata (ggml docs/gguf.md; names of pre-tokenizers: llama.cpp
// src/llama-vocab.cpp).
#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/error.hpp"
#include "runtime/model/gguf.hpp"
#include "runtime/server/text_source.hpp"
#include "runtime/text/pre_tokenizer.hpp"

namespace gpuinfer::server {
namespace {

/// tokenizer.ggml.token_type
enum GgufTokenType : std::int64_t { kUnknown = 2, kControl = 3, kUserDefined = 4 };

/// What tokenizer.ggml.pre stands for.
struct PreTokenizerRecipe {
  std::string_view name;
  std::vector<std::string> patterns;
  bool ignore_merges = false;
  bool add_bos = false;  ///< where the file does not say
};

const std::vector<PreTokenizerRecipe>& recipes() {
  using namespace text::split_pattern;
  static const std::vector<PreTokenizerRecipe> kRecipes = {
      {"default", {kGpt2}},
      {"gpt-2", {kGpt2}},
      {"gpt-4o", {kO200k}, true},
      {"llama-bpe", {kLlama3}, true, true},
      {"llama-v3", {kLlama3}, true, true},
      {"llama3", {kLlama3}, true, true},
      {"smollm", {kDigit, kGpt2}},
  };
  return kRecipes;
}

/// The names of tokens that end a turn in every model that has them. A GGUF file names only one of several.
constexpr std::string_view kEndsOfTurn[] = {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>",
                                            "<|end_of_text|>"};

class GgufText {
 public:
  explicit GgufText(const std::filesystem::path& path) : file_(path) {}

  TextSource read() {
    const std::string_view model = required(file_.string("tokenizer.ggml.model"), "tokenizer.ggml.model");
    if (model != "gpt2") {
      fail("the tokenizer '" + std::string(model) + "' is not supported",
           "Byte-level BPE tokenizers ('gpt2' in GGUF: Llama 3, SmolLM2 and their like) are.");
    }
    read_pre_tokenizer();
    read_tokens();
    read_merges();
    read_special_tokens();
    if (const auto chat_template = file_.string("tokenizer.chat_template"))
      source_.chat_template = std::string(*chat_template);
    source_.chat_template_origin = file_.path().string();
    return std::move(source_);
  }

 private:
  [[noreturn]] void fail(const std::string& what,
                         const std::string& remedy = "The file is damaged; fetch it again.") const {
    throw Error(file_.path().string() + ": " + what, remedy);
  }

  template <class T>
  T required(const std::optional<T>& value, const std::string& key) const {
    if (!value) fail("has no " + key, "Use a GGUF file that carries its tokenizer.");
    return *value;
  }

  void read_pre_tokenizer() {
    const std::string_view name = file_.string("tokenizer.ggml.pre").value_or("default");
    const auto recipe =
        std::find_if(recipes().begin(), recipes().end(), [&](const auto& known) { return known.name == name; });
    if (recipe == recipes().end()) {
      std::string names;
      for (const PreTokenizerRecipe& known : recipes()) (names += names.empty() ? "" : ", ") += known.name;
      fail("the pre-tokenizer '" + std::string(name) + "' (tokenizer.ggml.pre) is not supported",
           "These are: " + names + ".");
    }
    source_.tokenizer.split_patterns = recipe->patterns;
    source_.tokenizer.ignore_merges = recipe->ignore_merges;
    source_.add_bos = file_.boolean("tokenizer.ggml.add_bos_token").value_or(recipe->add_bos);
  }

  void read_tokens() {
    const auto tokens = required(file_.strings("tokenizer.ggml.tokens"), "tokenizer.ggml.tokens");
    const auto types = file_.integers("tokenizer.ggml.token_type").value_or(std::span<const std::int64_t>());
    if (!types.empty() && types.size() != tokens.size()) {
      fail(std::to_string(tokens.size()) + " tokens, but " + std::to_string(types.size()) + " types of tokens");
    }
    source_.tokenizer.tokens.assign(tokens.begin(), tokens.end());
    for (std::size_t i = 0; i < types.size(); ++i) {
      const bool special = types[i] == kControl || types[i] == kUnknown;
      if (!special && types[i] != kUserDefined) continue;
      text::AddedToken token;
      token.id = static_cast<TokenId>(i);
      token.content = tokens[i];
      token.special = special;
      source_.tokenizer.added_tokens.push_back(std::move(token));
    }
  }

  void read_merges() {
    for (const std::string_view merge : required(file_.strings("tokenizer.ggml.merges"), "tokenizer.ggml.merges")) {
      const std::size_t space = merge.find(' ');
      if (space == std::string_view::npos) fail("the merge '" + std::string(merge) + "' is not a pair of tokens");
      source_.tokenizer.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
    }
  }

  std::optional<TokenId> token_id(std::string_view key) const {
    const auto id = file_.integer(key);
    if (!id) return std::nullopt;
    if (*id < 0 || *id >= static_cast<std::int64_t>(source_.tokenizer.tokens.size())) {
      fail(std::string(key) + " is " + std::to_string(*id) + ", outside the vocabulary of " +
           std::to_string(source_.tokenizer.tokens.size()) + " tokens");
    }
    return static_cast<TokenId>(*id);
  }

  void read_special_tokens() {
    source_.bos = token_id("tokenizer.ggml.bos_token_id");
    source_.eos = token_id("tokenizer.ggml.eos_token_id");
    for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
      if (const auto id = token_id(key)) source_.stop_ids.push_back(*id);
    }
    for (const text::AddedToken& token : source_.tokenizer.added_tokens) {
      const bool ends_turn =
          std::find(std::begin(kEndsOfTurn), std::end(kEndsOfTurn), token.content) != std::end(kEndsOfTurn);
      if (token.special && ends_turn) source_.stop_ids.push_back(token.id);
    }

    constexpr std::pair<const char*, const char*> kNames[] = {{"bos_token", "tokenizer.ggml.bos_token_id"},
                                                              {"eos_token", "tokenizer.ggml.eos_token_id"},
                                                              {"pad_token", "tokenizer.ggml.padding_token_id"},
                                                              {"unk_token", "tokenizer.ggml.unknown_token_id"}};
    for (const auto& [name, key] : kNames) {
      if (const auto id = token_id(key))
        source_.special_tokens[name] = source_.tokenizer.tokens[static_cast<std::size_t>(*id)];
    }
  }

  model::GgufFile file_;
  TextSource source_;
};

}  // namespace

TextSource read_gguf_text(const std::filesystem::path& file) { return GgufText(file).read(); }

}  // namespace gpuinfer::server
