// The tokenizer and the chat template in a GGUF file's metadata (ggml docs/gguf.md; names of pre-tokenizers: llama.cpp
// src/llama-vocab.cpp).
#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/error.hpp"
#include "runtime/model/gguf.hpp"
#include "runtime/server/text_source.hpp"
#include "runtime/text/merges.hpp"
#include "runtime/text/sentencepiece_spelling.hpp"
#include "runtime/text/split_scanners.hpp"

namespace gpuinfer::server {
namespace {

/// tokenizer.ggml.token_type
enum GgufTokenType : std::int64_t { kUnknown = 2, kControl = 3, kUserDefined = 4, kByte = 6 };

/// What tokenizer.ggml.pre stands for.
struct PreTokenizerRecipe {
  std::string_view name;
  std::vector<text::Split> splits;
  bool ignore_merges = false;
  bool add_bos = false;  ///< where the file does not say
  bool nfc = false;      ///< llama.cpp leaves it out; the models were trained with it
};

const std::vector<PreTokenizerRecipe>& recipes() {
  using namespace text::split_pattern;
  static const std::vector<PreTokenizerRecipe> kRecipes = {
      {.name = "default", .splits = {{kGpt2}}},
      {.name = "deepseek-r1-qwen", .splits = {{kQwen2}}},
      {.name = "gpt-2", .splits = {{kGpt2}}},
      {.name = "gpt-4o", .splits = {{kO200k}}, .ignore_merges = true},
      {.name = "llama-bpe", .splits = {{kLlama3}}, .ignore_merges = true, .add_bos = true},
      {.name = "llama-v3", .splits = {{kLlama3}}, .ignore_merges = true, .add_bos = true},
      {.name = "llama3", .splits = {{kLlama3}}, .ignore_merges = true, .add_bos = true},
      {.name = "qwen2", .splits = {{kQwen2}}, .nfc = true},
      {.name = "smollm", .splits = {{kDigit}, {kGpt2}}},
      {.name = "tekken", .splits = {{kTekken}}, .ignore_merges = true, .add_bos = true},
  };
  return kRecipes;
}

/// The names of tokens that end a turn in every model that has them. A GGUF file names only one of several.
constexpr std::string_view kEndsOfTurn[] = {"<|im_end|>", "<|eot_id|>", "<|eom_id|>",    "<|endoftext|>",
                                            "<|return|>", "<|call|>",   "<end_of_turn>", "<|end_of_text|>"};

class GgufText {
 public:
  explicit GgufText(const std::filesystem::path& path) : file_(path) {}

  TextSource read() {
    const std::string_view model = required(file_.string("tokenizer.ggml.model"), "tokenizer.ggml.model");
    read_tokens();
    if (model == "gpt2") {
      read_pre_tokenizer();
      read_merges();
    } else if (model == "llama") {
      read_sentencepiece();
    } else {
      fail(
          "the tokenizer '" + std::string(model) + "' is not supported",
          "Byte-level BPE ('gpt2' in GGUF: Llama 3, Qwen, gpt-oss, SmolLM2) and SentencePiece's BPE ('llama': Llama 2, "
          "Gemma) are.");
    }
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
    source_.tokenizer.splits = recipe->splits;
    if (recipe->nfc) source_.tokenizer.normalization.emplace_back(text::normalization::Form::kNfc);
    bpe_.ignore_merges = recipe->ignore_merges;
    source_.add_bos = file_.boolean("tokenizer.ggml.add_bos_token").value_or(recipe->add_bos);
  }

  void read_tokens() {
    const auto tokens = required(file_.strings("tokenizer.ggml.tokens"), "tokenizer.ggml.tokens");
    types_ = file_.integers("tokenizer.ggml.token_type").value_or(std::span<const std::int64_t>());
    if (!types_.empty() && types_.size() != tokens.size()) {
      fail(std::to_string(tokens.size()) + " tokens, but " + std::to_string(types_.size()) + " types of tokens");
    }
    source_.tokenizer.tokens.assign(tokens.begin(), tokens.end());
    for (std::size_t i = 0; i < types_.size(); ++i) {
      const bool special = types_[i] == kControl || types_[i] == kUnknown;
      if (!special && types_[i] != kUserDefined) continue;
      text::AddedToken token;
      token.id = static_cast<TokenId>(i);
      token.content = tokens[i];
      token.special = special;
      source_.tokenizer.added_tokens.push_back(std::move(token));
    }
  }

  void read_merges() {
    const auto merges = required(file_.strings("tokenizer.ggml.merges"), "tokenizer.ggml.merges");
    text::MergeReader reader(source_.tokenizer.tokens, merges.size());
    try {
      for (const std::string_view merge : merges) reader.add(merge);
      bpe_.merges = reader.take();
    } catch (const Error& error) {
      fail(error.what());
    }
    source_.tokenizer.model = std::move(bpe_);
  }

  /// The flags' defaults are llama.cpp's.
  void read_sentencepiece() {
    text::TokenizerSpec& tokenizer = source_.tokenizer;
    const auto scores = required(file_.reals("tokenizer.ggml.scores"), "tokenizer.ggml.scores");
    if (scores.size() != tokenizer.tokens.size()) {
      fail(std::to_string(tokenizer.tokens.size()) + " tokens, but " + std::to_string(scores.size()) + " scores");
    }
    std::vector<std::string> mergeable = tokenizer.tokens;  // "<0x0A>" in a text is six characters
    for (std::size_t i = 0; i < types_.size(); ++i) {
      if (types_[i] == kByte) mergeable[i].clear();
    }
    bpe_.merges = text::merges_by_score(mergeable, scores);
    bpe_.fuse_unknown = true;
    tokenizer.model = std::move(bpe_);
    tokenizer.spelling = text::Spelling::kSentencePiece;
    tokenizer.byte_fallback = true;
    tokenizer.unknown = token_id("tokenizer.ggml.unknown_token_id");
    const std::string mark(text::kSpaceMark);
    tokenizer.strip_leading_space = file_.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
    if (tokenizer.strip_leading_space) tokenizer.normalization.emplace_back(text::normalization::Prepend{.text = mark});
    tokenizer.normalization.emplace_back(text::normalization::Replace{" ", mark});
    source_.add_bos = file_.boolean("tokenizer.ggml.add_bos_token").value_or(true);
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
  std::span<const std::int64_t> types_;  // by id, or empty
  text::BpeSpec bpe_;
  TextSource source_;
};

}  // namespace

TextSource read_gguf_text(const std::filesystem::path& file) { return GgufText(file).read(); }

}  // namespace gpuinfer::server
