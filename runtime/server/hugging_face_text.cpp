// The tokenizer and the chat template in a Hugging Face folder.
#include <algorithm>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "runtime/server/text_source.hpp"
#include "runtime/text/tokenizer_json.hpp"

namespace gpuinfer::server {
namespace {

class HuggingFaceText {
 public:
  explicit HuggingFaceText(const std::filesystem::path& folder)
      : folder_(folder),
        tokenizer_config_(read_json("tokenizer_config.json")),
        special_tokens_map_(read_json("special_tokens_map.json")),
        generation_config_(read_json("generation_config.json")) {}

  TextSource read() {
    const std::filesystem::path file = folder_ / "tokenizer.json";
    if (!std::filesystem::exists(file)) {
      throw Error(folder_.string() + " has no tokenizer.json", "Fetch it from the place that the model came from.");
    }
    source_.tokenizer = text::read_tokenizer_json(file);
    for (const char* name : {"bos_token", "eos_token", "pad_token", "unk_token"}) {
      if (const auto content = special_token(name)) source_.special_tokens[name] = *content;
    }
    source_.bos = id_of("bos_token");
    source_.eos = id_of("eos_token");
    read_stop_ids();
    // The post-processor's prefix is BOS in every tokenizer that has one.
    source_.add_bos = !source_.tokenizer.prefix.empty();
    if (source_.add_bos) source_.bos = source_.tokenizer.prefix.front();
    read_chat_template();
    return std::move(source_);
  }

 private:
  /// An empty object where the file does not exist.
  Json read_json(const char* name) const {
    const std::filesystem::path path = folder_ / name;
    if (!std::filesystem::exists(path)) return Json::object();
    const Json json = Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) throw Error(path.string() + ": not a JSON object", "The file is damaged; fetch it again.");
    return json;
  }

  /// A special token is written as its content, or as an object that has it.
  std::optional<std::string> special_token(const char* name) const {
    for (const Json* file : {&tokenizer_config_, &special_tokens_map_}) {
      const auto found = file->find(name);
      if (found == file->end()) continue;
      const Json content = found->is_object() ? found->value("content", Json()) : *found;
      if (content.is_string()) return content.get<std::string>();
    }
    return std::nullopt;
  }

  std::optional<TokenId> id_of(const char* name) const {
    const auto content = source_.special_tokens.find(name);
    if (content == source_.special_tokens.end()) return std::nullopt;
    const auto& added = source_.tokenizer.added_tokens;
    const auto token =
        std::find_if(added.begin(), added.end(), [&](const auto& t) { return t.content == content->second; });
    return token == added.end() ? std::nullopt : std::optional(token->id);
  }

  /// generation_config.json: eos_token_id is a number or a list of them.
  void read_stop_ids() {
    const Json ids = generation_config_.value("eos_token_id", Json());
    for (const Json& id : ids.is_array() ? ids : Json::array({ids})) {
      if (id.is_null()) continue;
      if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= source_.tokenizer.tokens.size()) {
        throw Error((folder_ / "generation_config.json").string() + ": eos_token_id is not a token id of this model",
                    "The model's files are damaged or do not belong together; fetch them again.");
      }
      source_.stop_ids.push_back(id.get<TokenId>());
    }
    if (!source_.eos && !source_.stop_ids.empty()) source_.eos = source_.stop_ids.front();
  }

  /// A file of its own goes before tokenizer_config.json, where it is a string, or a list of named ones of which
  /// "default" counts.
  void read_chat_template() {
    const std::filesystem::path file = folder_ / "chat_template.jinja";
    if (std::filesystem::exists(file)) {
      source_.chat_template = read_file(file);
      source_.chat_template_origin = file.string();
      return;
    }
    source_.chat_template_origin = (folder_ / "tokenizer_config.json").string();
    const Json value = tokenizer_config_.value("chat_template", Json());
    if (value.is_string()) source_.chat_template = value.get<std::string>();
    if (!value.is_array()) return;
    for (const Json& entry : value) {
      if (!entry.is_object() || entry.value("name", Json()) != "default") continue;
      const Json source = entry.value("template", Json());
      if (source.is_string()) source_.chat_template = source.get<std::string>();
    }
  }

  std::filesystem::path folder_;
  Json tokenizer_config_;
  Json special_tokens_map_;
  Json generation_config_;
  TextSource source_;
};

}  // namespace

TextSource read_hugging_face_text(const std::filesystem::path& folder) { return HuggingFaceText(folder).read(); }

}  // namespace gpuinfer::server
