#include "runtime/text/tokenizer_json.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/huge_pages.hpp"
#include "runtime/text/merges.hpp"
#include "runtime/text/sentencepiece_spelling.hpp"
#include "runtime/text/split_scanners.hpp"

namespace gpuinfer::text {
namespace {

/// Not the project's Json: a tokenizer.json has a million strings, and a server that starts waits for them.
using Json = simdjson::dom::element;

/// A step of a pipeline, and where it stands in the file.
struct Step {
  Json json;
  std::string place;
};

/// A regular expression that matches `text` and nothing else.
std::string literal_pattern(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c & 0x80) != 0;
    if (!is_plain) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

/// Reads one file; every message begins with its name and the place in it.
class Reader {
 public:
  Reader(Json root, const std::string& name) : root_(root), name_(name) {}

  TokenizerSpec read() {
    const Json model = member(root_, "model", "");
    read_spelling();
    read_model(model);
    read_added_tokens();
    for (const Step& step : steps("normalizer", "normalizers")) read_normalizer(step);
    const std::vector<Step> pre_tokenizers = steps("pre_tokenizer", "pretokenizers");
    for (const Step& step : pre_tokenizers) read_pre_tokenizer(step, pre_tokenizers);
    for (const Step& step : steps("post_processor", "processors")) read_post_processor(step);
    for (const Step& step : steps("decoder", "decoders")) read_decoder(step);
    return std::move(spec_);
  }

 private:
  [[noreturn]] void damaged(const std::string& place, const std::string& what) const {
    throw Error(name_ + ": " + place + ": " + what, "The file is damaged or not a tokenizer.json; fetch it again.");
  }

  [[noreturn]] void unsupported(const std::string& place, const std::string& what) const {
    throw Error(name_ + ": " + place + ": " + what + " is not supported",
                "BPE (byte-level, or SentencePiece's with byte fallback) and Unigram tokenizers are.");
  }

  /// The member; nothing where it is absent or JSON's null.
  static std::optional<Json> find(Json object, std::string_view key) {
    Json value;
    if (!object.is_object() || object.at_key(key).get(value) != simdjson::SUCCESS || value.is_null())
      return std::nullopt;
    return value;
  }

  Json member(Json object, std::string_view key, const std::string& place) const {
    const std::optional<Json> value = find(object, key);
    if (!value) damaged(place + "/" + std::string(key), "is missing");
    return *value;
  }

  std::string_view string(Json value, const std::string& place) const {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) damaged(place, "is not a string");
    return text;
  }

  std::string_view string_member(Json object, std::string_view key, const std::string& place) const {
    return string(member(object, key, place), place + "/" + std::string(key));
  }

  simdjson::dom::array array(Json value, const std::string& place) const {
    simdjson::dom::array items;
    if (value.get(items) != simdjson::SUCCESS) damaged(place, "is not a list");
    return items;
  }

  std::string type_of(Json value, const std::string& place) const {
    return std::string(string_member(value, "type", place));
  }

  static bool flag(Json object, std::string_view key, bool otherwise) {
    const std::optional<Json> value = find(object, key);
    bool result = otherwise;
    if (value && value->get(result) != simdjson::SUCCESS) return otherwise;
    return result;
  }

  /// Ids that leave most of the range unused come from a damaged file, and would cost memory.
  TokenId id(Json value, const std::string& place) const {
    std::uint64_t number = 0;
    if (value.get(number) != simdjson::SUCCESS || number >= 2 * id_count_ + 1024) damaged(place, "is not a token id");
    return static_cast<TokenId>(number);
  }

  /// Makes room for it.
  std::string& token(TokenId id) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= spec_.tokens.size()) spec_.tokens.resize(index + 1);
    return spec_.tokens[index];
  }

  /// The steps of the pipeline `key`: those of a "Sequence", or the one step that it is.
  std::vector<Step> steps(const char* key, const char* list) const {
    const std::string place = std::string("/") + key;
    const std::optional<Json> step = find(root_, key);
    if (!step) return {};
    if (type_of(*step, place) != "Sequence") return {{*step, place}};
    std::vector<Step> result;
    for (const Json item : array(member(*step, list, place), place + "/" + list)) {
      result.push_back({item, place + "/" + list + "/" + std::to_string(result.size())});
    }
    return result;
  }

  void read_spelling() {
    const auto is_byte_level = [&](const Step& step) { return type_of(step.json, step.place) == "ByteLevel"; };
    const std::vector<Step> pre_tokenizers = steps("pre_tokenizer", "pretokenizers");
    const bool byte_level = std::any_of(pre_tokenizers.begin(), pre_tokenizers.end(), is_byte_level);
    spec_.spelling = byte_level ? Spelling::kByteLevel : Spelling::kSentencePiece;
    if (!byte_level && !find(root_, "decoder")) damaged("/decoder", "is missing");
  }

  void read_model(Json model) {
    // Files from before 2020 have no "type"; their models are told by their members.
    const std::string type = find(model, "type") ? type_of(model, "/model") : find(model, "merges") ? "BPE" : "unknown";
    const std::optional<Json> added = find(root_, "added_tokens");
    added_count_ = added ? array(*added, "/added_tokens").size() : 0;
    spec_.byte_fallback = flag(model, "byte_fallback", false);
    if (type == "BPE")
      read_bpe(model);
    else if (type == "Unigram" && spec_.spelling == Spelling::kSentencePiece)
      read_unigram(model);
    else
      unsupported("/model/type", "the model '" + type + "'");
  }

  void read_bpe(Json model) {
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const std::string place = std::string("/model/") + key;
      const std::optional<Json> value = find(model, key);
      if (value && !string(*value, place).empty()) unsupported(place, "an affix of subwords");
    }
    simdjson::dom::object vocab;
    if (member(model, "vocab", "/model").get(vocab) != simdjson::SUCCESS) damaged("/model/vocab", "is not an object");
    id_count_ = vocab.size() + added_count_;
    spec_.tokens.reserve(id_count_);
    for (const auto& [spelling, value] : vocab) {
      std::uint64_t number = 0;
      const bool is_id = value.get(number) == simdjson::SUCCESS && number < 2 * id_count_ + 1024;
      if (!is_id) damaged("/model/vocab/" + std::string(spelling), "is not a token id");
      token(static_cast<TokenId>(number)) = spelling;
    }
    spec_.model = BpeSpec{.merges = read_merges(array(member(model, "merges", "/model"), "/model/merges")),
                          .ignore_merges = flag(model, "ignore_merges", false),
                          .fuse_unknown = flag(model, "fuse_unk", false)};
    if (const std::optional<Json> unknown = find(model, "unk_token")) {
      const std::string_view spelling = string(*unknown, "/model/unk_token");
      const auto found = std::find(spec_.tokens.begin(), spec_.tokens.end(), spelling);
      if (found != spec_.tokens.end()) spec_.unknown = static_cast<TokenId>(found - spec_.tokens.begin());
    }
  }

  /// Either "a b" or ["a", "b"].
  Merges read_merges(simdjson::dom::array merges) const {
    MergeReader reader(spec_.tokens, merges.size());
    try {
      for (const Json merge : merges) read_merge(merge, reader);
      return reader.take();
    } catch (const Error& error) {
      damaged("/model/merges", error.what());
    }
  }

  static void read_merge(Json merge, MergeReader& reader) {
    std::string_view pair;
    simdjson::dom::array halves;
    if (merge.get(pair) == simdjson::SUCCESS) return reader.add(pair);
    if (merge.get(halves) == simdjson::SUCCESS && halves.size() == 2) {
      auto half = halves.begin();
      std::string_view left;
      std::string_view right;
      if ((*half).get(left) == simdjson::SUCCESS && (*++half).get(right) == simdjson::SUCCESS) {
        return reader.add(left, right);
      }
    }
    throw Error("the merge " + simdjson::minify(merge) + " is not a pair of tokens");
  }

  void read_unigram(Json model) {
    const simdjson::dom::array vocab = array(member(model, "vocab", "/model"), "/model/vocab");
    id_count_ = vocab.size() + added_count_;
    UnigramSpec unigram;
    for (const Json entry : vocab) {
      const std::string place = "/model/vocab/" + std::to_string(spec_.tokens.size());
      const simdjson::dom::array pair = array(entry, place);
      double score = 0;
      if (pair.size() != 2 || pair.at(1).get(score) != simdjson::SUCCESS)
        damaged(place, "is not a token and its score");
      spec_.tokens.emplace_back(string(pair.at(0).value(), place));
      unigram.scores.push_back(score);
    }
    if (const std::optional<Json> unknown = find(model, "unk_id")) {
      spec_.unknown = id(*unknown, "/model/unk_id");
      if (static_cast<std::size_t>(*spec_.unknown) >= spec_.tokens.size())
        damaged("/model/unk_id", "is not a token id");
    }
    spec_.model = std::move(unigram);
  }

  void read_added_tokens() {
    const std::optional<Json> tokens = find(root_, "added_tokens");
    if (!tokens) return;
    for (const Json json : array(*tokens, "/added_tokens")) {
      const std::string place = "/added_tokens/" + std::to_string(spec_.added_tokens.size());
      AddedToken added;
      added.id = id(member(json, "id", place), place + "/id");
      added.content = string_member(json, "content", place);
      added.special = flag(json, "special", false);
      added.single_word = flag(json, "single_word", false);
      added.lstrip = flag(json, "lstrip", false);
      added.rstrip = flag(json, "rstrip", false);
      token(added.id);
      spec_.added_tokens.push_back(std::move(added));
    }
    // The model knows nothing of the ids after its own.
    if (auto* unigram = std::get_if<UnigramSpec>(&spec_.model)) unigram->scores.resize(spec_.tokens.size());
  }

  void read_normalizer(const Step& step) {
    using normalization::Form;
    constexpr std::pair<std::string_view, Form> kForms[] = {
        {"NFC", Form::kNfc}, {"NFD", Form::kNfd}, {"NFKC", Form::kNfkc}, {"NFKD", Form::kNfkd}};
    const std::string type = type_of(step.json, step.place);
    const auto form =
        std::find_if(std::begin(kForms), std::end(kForms), [&](const auto& f) { return f.first == type; });
    if (form != std::end(kForms)) {
      spec_.normalization.emplace_back(form->second);
    } else if (type == "Prepend") {
      spec_.normalization.emplace_back(
          normalization::Prepend{std::string(string_member(step.json, "prepend", step.place))});
    } else if (type == "Replace") {
      const std::string_view from = string_pattern(step);
      const std::string_view to = string_member(step.json, "content", step.place);
      spec_.normalization.emplace_back(normalization::Replace{std::string(from), std::string(to)});
    } else {
      unsupported(step.place, "the normalizer '" + type + "'");
    }
  }

  /// {"pattern": {"String": "x"}}
  std::string_view string_pattern(const Step& step) const {
    const std::string place = step.place + "/pattern";
    const std::optional<Json> text = find(member(step.json, "pattern", step.place), "String");
    if (!text) unsupported(place, "a pattern that is not a String");
    const std::string_view pattern = string(*text, place + "/String");
    if (pattern.empty()) damaged(place + "/String", "is empty");
    return pattern;
  }

  void read_pre_tokenizer(const Step& step, const std::vector<Step>& all) {
    const bool is_first = step.place == all.front().place;
    const std::string type = type_of(step.json, step.place);
    if (type == "Digits") {
      const bool individual = flag(step.json, "individual_digits", false);
      spec_.splits.push_back({individual ? split_pattern::kDigit : split_pattern::kDigits});
    } else if (type == "ByteLevel") {
      if (flag(step.json, "add_prefix_space", true)) {
        if (!is_first) unsupported(step.place + "/add_prefix_space", "adding a space to pieces of the text");
        spec_.normalization.emplace_back(normalization::Prepend{.text = " ", .unless_present = true});
      }
      if (flag(step.json, "use_regex", true)) spec_.splits.push_back({split_pattern::kGpt2});
    } else if (type == "Split") {
      read_split(step);
    } else if (type == "Metaspace" && all.size() == 1) {
      read_metaspace(step);
    } else {
      unsupported(step.place, "the pre-tokenizer '" + type + "'");
    }
  }

  void read_split(const Step& step) {
    constexpr std::pair<std::string_view, SplitBehavior> kBehaviors[] = {
        {"Isolated", SplitBehavior::kIsolated},
        {"Removed", SplitBehavior::kRemoved},
        {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
        {"MergedWithNext", SplitBehavior::kMergedWithNext}};
    const std::string_view name = string_member(step.json, "behavior", step.place);
    const auto behavior =
        std::find_if(std::begin(kBehaviors), std::end(kBehaviors), [&](const auto& b) { return b.first == name; });
    if (behavior == std::end(kBehaviors)) {
      unsupported(step.place + "/behavior", "the behavior '" + std::string(name) + "'");
    }
    const std::optional<Json> regex = find(member(step.json, "pattern", step.place), "Regex");
    const std::string pattern =
        regex ? std::string(string(*regex, step.place + "/pattern/Regex")) : literal_pattern(string_pattern(step));
    spec_.splits.push_back({pattern, behavior->second, flag(step.json, "invert", false)});
  }

  /// SentencePiece's treatment of spaces; what Llama 2's newer files have instead of a normalizer.
  void read_metaspace(const Step& step) {
    const std::string mark(string_member(step.json, "replacement", step.place));
    const std::string scheme = prepend_scheme(step);
    spec_.normalization.emplace_back(normalization::Replace{" ", mark});
    if (scheme != "never") {
      spec_.normalization.emplace_back(
          normalization::Prepend{.text = mark, .unless_present = true, .only_first = scheme == "first"});
    }
    if (flag(step.json, "split", true)) spec_.splits.push_back({literal_pattern(mark), SplitBehavior::kMergedWithNext});
  }

  /// Older files have "add_prefix_space" instead.
  std::string prepend_scheme(const Step& step) const {
    if (!flag(step.json, "add_prefix_space", true)) return "never";
    const std::optional<Json> value = find(step.json, "prepend_scheme");
    const std::string scheme(value ? string(*value, step.place + "/prepend_scheme") : "always");
    if (scheme != "always" && scheme != "first" && scheme != "never") {
      unsupported(step.place + "/prepend_scheme", "the scheme '" + scheme + "'");
    }
    return scheme;
  }

  void read_post_processor(const Step& step) {
    const std::string type = type_of(step.json, step.place);
    if (type == "TemplateProcessing") {
      const std::string place = step.place + "/single";
      read_template(array(member(step.json, "single", step.place), place), place);
    } else if (type != "ByteLevel") {  // ByteLevel only moves offsets
      unsupported(step.place, "the post-processor '" + type + "'");
    }
  }

  /// Special tokens before the text; a text is a prompt that the model goes on with, so those after it do not count.
  void read_template(simdjson::dom::array single, const std::string& place) {
    for (const Json part : single) {
      const std::optional<Json> special = find(part, "SpecialToken");
      if (!special) return;
      const std::string content(string(member(*special, "id", place), place));
      const auto token = std::find_if(spec_.added_tokens.begin(), spec_.added_tokens.end(),
                                      [&](const AddedToken& added) { return added.content == content; });
      if (token == spec_.added_tokens.end()) damaged(place, "'" + content + "' is not among the added tokens");
      spec_.prefix.push_back(token->id);
    }
  }

  /// Decoding follows from the spelling; this checks that the file means the same.
  void read_decoder(const Step& step) {
    const std::string type = type_of(step.json, step.place);
    const bool sentencepiece = spec_.spelling == Spelling::kSentencePiece;
    if (type == "Strip" && sentencepiece) {
      read_strip(step);
    } else if (type == "Metaspace" && sentencepiece) {
      spec_.strip_leading_space = prepend_scheme(step) != "never";
    } else if (type == "Replace" && sentencepiece) {
      const bool is_usual =
          string_pattern(step) == kSpaceMark && string_member(step.json, "content", step.place) == " ";
      if (!is_usual) unsupported(step.place, "replacing anything but '\u2581' with a space");
    } else if (type != "Fuse" && type != (sentencepiece ? "ByteFallback" : "ByteLevel")) {
      unsupported(step.place, "the decoder '" + type + "' with this vocabulary");
    }
  }

  void read_strip(const Step& step) {
    std::uint64_t start = 0;
    std::uint64_t stop = 0;
    const bool has_numbers = member(step.json, "start", step.place).get(start) == simdjson::SUCCESS &&
                             member(step.json, "stop", step.place).get(stop) == simdjson::SUCCESS;
    if (!has_numbers || start > 1 || stop > 0 || string_member(step.json, "content", step.place) != " ") {
      unsupported(step.place, "stripping anything but one space from the start");
    }
    spec_.strip_leading_space = start == 1;
  }

  Json root_;
  const std::string& name_;
  TokenizerSpec spec_;
  std::size_t added_count_ = 0;
  std::size_t id_count_ = 0;
};

/// What simdjson takes: some bytes beyond the end may be read.
using PaddedText = std::vector<char, HugePageAllocator<char>>;

/// `text` ends with simdjson's padding.
TokenizerSpec parse(const PaddedText& text, const std::string& name) {
  const std::size_t size = text.size() - simdjson::SIMDJSON_PADDING;
  // Room for the worst case, of which a part is used: the page faults on the way were a fifth of the time.
  simdjson::dom::parser parser;
  simdjson::dom::document document;
  if (parser.allocate(size) == simdjson::SUCCESS && document.allocate(size) == simdjson::SUCCESS) {
    prefer_huge_pages(parser.implementation->structural_indexes.get(), size * sizeof(std::uint32_t));
    prefer_huge_pages(document.tape.get(), size * sizeof(std::uint64_t));
    prefer_huge_pages(document.string_buf.get(), size);
  }
  Json root;
  const simdjson::error_code error = parser.parse_into_document(document, text.data(), size, false).get(root);
  if (error != simdjson::SUCCESS) {
    throw Error(name + ": not JSON: " + simdjson::error_message(error), "The file is damaged; fetch it again.");
  }
  return Reader(root, name).read();
}

}  // namespace

TokenizerSpec parse_tokenizer_json(std::string_view json, const std::string& name) {
  PaddedText text(json.size() + simdjson::SIMDJSON_PADDING);
  std::copy(json.begin(), json.end(), text.begin());
  return parse(text, name);
}

TokenizerSpec read_tokenizer_json(const std::filesystem::path& file) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  PaddedText text(error ? 0 : size + simdjson::SIMDJSON_PADDING);
  if (error || !std::ifstream(file, std::ios::binary).read(text.data(), static_cast<std::streamsize>(size))) {
    throw Error(file.string() + ": cannot be read", "Check that it exists and may be read.");
  }
  return parse(text, file.string());
}

}  // namespace gpuinfer::text
