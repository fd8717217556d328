#include "runtime/text/tokenizer_json.hpp"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"
#include "runtime/text/pre_tokenizer.hpp"

namespace gpuinfer::text {
namespace {

/// Not the project's Json, whose objects are searched from the front: a vocabulary has 200,000 members.
using Json = nlohmann::json;

/// Reads one file; every message begins with its name and the place in it.
class Reader {
 public:
  Reader(const Json& root, const std::string& name) : root_(root), name_(name) {}

  TokenizerSpec read() {
    const Json& model = member(root_, "model", "");
    read_model(model);
    read_added_tokens();
    refuse_normalizer();
    if (const Json* pre_tokenizer = find(root_, "pre_tokenizer")) {
      for (const auto& [step, place] : steps_of(*pre_tokenizer, "pretokenizers", "/pre_tokenizer"))
        read_pre_tokenizer(*step, place);
    }
    if (const Json* post_processor = find(root_, "post_processor")) {
      for (const auto& [step, place] : steps_of(*post_processor, "processors", "/post_processor"))
        read_post_processor(*step, place);
    }
    return std::move(spec_);
  }

 private:
  [[noreturn]] void damaged(const std::string& place, const std::string& what) const {
    throw Error(name_ + ": " + place + ": " + what, "The file is damaged or not a tokenizer.json; fetch it again.");
  }

  [[noreturn]] void unsupported(const std::string& place, const std::string& what) const {
    throw Error(name_ + ": " + place + ": " + what + " is not supported",
                "Byte-level BPE tokenizers (GPT-2, Llama 3, SmolLM2 and their like) are.");
  }

  /// The member, or null where it is absent or JSON's null.
  static const Json* find(const Json& object, const char* key) {
    if (!object.is_object()) return nullptr;
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
  }

  const Json& member(const Json& object, const char* key, const std::string& place) const {
    const Json* value = find(object, key);
    if (!value) damaged(place + "/" + key, "is missing");
    return *value;
  }

  const std::string& string(const Json& value, const std::string& place) const {
    if (!value.is_string()) damaged(place, "is not a string");
    return value.get_ref<const std::string&>();
  }

  const Json& array(const Json& value, const std::string& place) const {
    if (!value.is_array()) damaged(place, "is not a list");
    return value;
  }

  std::string type_of(const Json& value, const std::string& place) const {
    return string(member(value, "type", place), place + "/type");
  }

  static bool flag(const Json& object, const char* key, bool otherwise) {
    const Json* value = find(object, key);
    return value && value->is_boolean() ? value->get<bool>() : otherwise;
  }

  /// Ids that leave most of the range unused come from a damaged file, and would cost memory.
  TokenId id(const Json& value, const std::string& place) const {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= 2 * id_count_ + 1024)
      damaged(place, "is not a token id");
    return value.get<TokenId>();
  }

  void set_token(TokenId id, const std::string& spelling) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= spec_.tokens.size()) spec_.tokens.resize(index + 1);
    spec_.tokens[index] = spelling;
  }

  void read_model(const Json& model) {
    // Files from before 2020 have no "type"; their models are told by their members.
    const std::string type = find(model, "type") ? type_of(model, "/model") : find(model, "merges") ? "BPE" : "unknown";
    if (type != "BPE") unsupported("/model/type", "the model '" + type + "'");
    if (flag(model, "byte_fallback", false))
      unsupported("/model/byte_fallback", "byte fallback (SentencePiece's kind of BPE)");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const Json* value = find(model, key);
      if (value && *value != "") unsupported(std::string("/model/") + key, "an affix of subwords");
    }
    spec_.ignore_merges = flag(model, "ignore_merges", false);

    const Json& vocab = member(model, "vocab", "/model");
    if (!vocab.is_object()) damaged("/model/vocab", "is not an object");
    const Json* added = find(root_, "added_tokens");
    id_count_ = vocab.size() + (added ? added->size() : 0);
    for (const auto& [spelling, value] : vocab.items()) set_token(id(value, "/model/vocab/" + spelling), spelling);

    const Json& merges = array(member(model, "merges", "/model"), "/model/merges");
    spec_.merges.reserve(merges.size());
    for (std::size_t i = 0; i < merges.size(); ++i) read_merge(merges[i], "/model/merges/" + std::to_string(i));
  }

  void read_merge(const Json& merge, const std::string& place) {
    if (merge.is_array() && merge.size() == 2) {
      spec_.merges.emplace_back(string(merge[0], place), string(merge[1], place));
      return;
    }
    const std::string& pair = string(merge, place);
    const std::size_t space = pair.find(' ');
    if (space == std::string::npos) damaged(place, "is not a pair of tokens");
    spec_.merges.emplace_back(pair.substr(0, space), pair.substr(space + 1));
  }

  void read_added_tokens() {
    const Json* tokens = find(root_, "added_tokens");
    if (!tokens) return;
    array(*tokens, "/added_tokens");
    for (std::size_t i = 0; i < tokens->size(); ++i) {
      const std::string place = "/added_tokens/" + std::to_string(i);
      const Json& json = (*tokens)[i];
      AddedToken token;
      token.id = id(member(json, "id", place), place + "/id");
      token.content = string(member(json, "content", place), place + "/content");
      token.special = flag(json, "special", false);
      token.single_word = flag(json, "single_word", false);
      token.lstrip = flag(json, "lstrip", false);
      token.rstrip = flag(json, "rstrip", false);
      set_token(token.id, token.content);
      spec_.added_tokens.push_back(std::move(token));
    }
  }

  void refuse_normalizer() const {
    const Json* normalizer = find(root_, "normalizer");
    if (!normalizer) return;
    const Json* steps = find(*normalizer, "normalizers");
    const bool does_nothing = steps && steps->is_array() && steps->empty();
    if (!does_nothing) unsupported("/normalizer", "the normalizer '" + type_of(*normalizer, "/normalizer") + "'");
  }

  /// The steps of a "Sequence", or the one step that `step` is.
  std::vector<std::pair<const Json*, std::string>> steps_of(const Json& step, const char* list,
                                                            const std::string& place) const {
    if (type_of(step, place) != "Sequence") return {{&step, place}};
    const Json& steps = array(member(step, list, place), place + "/" + list);
    std::vector<std::pair<const Json*, std::string>> result;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      result.emplace_back(&steps[i], place + "/" + list + "/" + std::to_string(i));
    }
    return result;
  }

  void read_pre_tokenizer(const Json& step, const std::string& place) {
    const std::string type = type_of(step, place);
    if (type == "Digits") {
      const bool individual = flag(step, "individual_digits", false);
      spec_.split_patterns.emplace_back(individual ? split_pattern::kDigit : split_pattern::kDigits);
    } else if (type == "ByteLevel") {
      if (flag(step, "add_prefix_space", true))
        unsupported(place + "/add_prefix_space", "adding a space before the text");
      if (flag(step, "use_regex", true)) spec_.split_patterns.emplace_back(split_pattern::kGpt2);
    } else if (type == "Split") {
      const std::string& behavior = string(member(step, "behavior", place), place + "/behavior");
      const bool inverted = flag(step, "invert", false);
      if (behavior != "Isolated" || inverted) unsupported(place + "/behavior", "a behavior other than 'Isolated'");
      const Json* regex = find(member(step, "pattern", place), "Regex");
      if (!regex) unsupported(place + "/pattern", "a pattern that is not a Regex");
      spec_.split_patterns.push_back(string(*regex, place + "/pattern/Regex"));
    } else {
      unsupported(place, "the pre-tokenizer '" + type + "'");
    }
  }

  void read_post_processor(const Json& step, const std::string& place) {
    const std::string type = type_of(step, place);
    if (type == "TemplateProcessing") {
      read_template(array(member(step, "single", place), place + "/single"), place + "/single");
    } else if (type != "ByteLevel") {  // ByteLevel only moves offsets
      unsupported(place, "the post-processor '" + type + "'");
    }
  }

  /// Special tokens before the text; a text is a prompt that the model goes on with, so those after it do not count.
  void read_template(const Json& single, const std::string& place) {
    for (const Json& part : single) {
      const Json* special = find(part, "SpecialToken");
      if (!special) return;
      const std::string& content = string(member(*special, "id", place), place);
      const auto token = std::find_if(spec_.added_tokens.begin(), spec_.added_tokens.end(),
                                      [&](const AddedToken& added) { return added.content == content; });
      if (token == spec_.added_tokens.end()) damaged(place, "'" + content + "' is not among the added tokens");
      spec_.prefix.push_back(token->id);
    }
  }

  const Json& root_;
  const std::string& name_;
  TokenizerSpec spec_;
  std::size_t id_count_ = 0;
};

}  // namespace

TokenizerSpec parse_tokenizer_json(std::string_view json, const std::string& name) {
  Json root;
  try {
    root = Json::parse(json);
  } catch (const Json::parse_error& error) {
    throw Error(name + ": byte " + std::to_string(error.byte) + ": not JSON", "The file is damaged; fetch it again.");
  } catch (const Json::out_of_range&) {
    throw Error(name + ": has a number that is out of range", "The file is damaged; fetch it again.");
  }
  return Reader(root, name).read();
}

}  // namespace gpuinfer::text
