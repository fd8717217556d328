#include "manifests/template.hpp"

#include <set>
#include <string>
#include <vector>

#include "base/yaml.hpp"

namespace gpuinfer::manifests {

namespace {

constexpr std::string_view kOpen = "${";
constexpr std::string_view kEscapedOpen = "$${";

/// Replaces the placeholders of one document.
class Renderer {
 public:
  Renderer(const YamlDocument& document, const std::string& name, const Parameters& parameters)
      : document_(document), name_(name), parameters_(parameters) {}

  Json render() {
    Json rendered = replace(document_.value, "");
    for (const auto& [parameter, value] : parameters_) {
      if (!used_.contains(parameter)) throw Error(name_ + ": the parameter '" + parameter + "' has no placeholder");
    }
    return rendered;
  }

 private:
  Json replace(const Json& value, const std::string& pointer) {
    if (value.is_string()) return replace_in_text(value.get<std::string>(), pointer);
    if (value.is_object()) {
      Json object = Json::object();
      for (const auto& [key, field] : value.items()) {
        Json replaced = replace(field, pointer + "/" + escaped(key));
        const bool left_out = replaced.is_null() && !field.is_null();
        if (!left_out) object[key] = std::move(replaced);
      }
      return object;
    }
    if (value.is_array()) {
      Json array = Json::array();
      for (std::size_t i = 0; i < value.size(); ++i) {
        Json replaced = replace(value[i], pointer + "/" + std::to_string(i));
        const bool left_out = replaced.is_null() && !value[i].is_null();
        if (!left_out) array.push_back(std::move(replaced));
      }
      return array;
    }
    return value;
  }

  Json replace_in_text(std::string_view text, const std::string& pointer) {
    const bool is_one_placeholder = text.starts_with(kOpen) && text.find('}') == text.size() - 1;
    if (is_one_placeholder) return parameter(text.substr(kOpen.size(), text.size() - kOpen.size() - 1), pointer);

    std::string result;
    while (!text.empty()) {
      if (text.starts_with(kEscapedOpen)) {
        result += kOpen;
        text.remove_prefix(kEscapedOpen.size());
      } else if (text.starts_with(kOpen)) {
        const std::size_t end = text.find('}');
        if (end == std::string_view::npos) fail(pointer, "'${' without '}'");
        result += as_text(parameter(text.substr(kOpen.size(), end - kOpen.size()), pointer), pointer);
        text.remove_prefix(end + 1);
      } else {
        result += text.front();
        text.remove_prefix(1);
      }
    }
    return result;
  }

  const Json& parameter(std::string_view name, const std::string& pointer) {
    const auto found = parameters_.find(std::string(name));
    if (found == parameters_.end()) fail(pointer, "the placeholder '${" + std::string(name) + "}' has no parameter");
    used_.insert(found->first);
    return found->second;
  }

  std::string as_text(const Json& value, const std::string& pointer) const {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number()) return value.dump();
    fail(pointer, "only a string or a number may stand inside other text");
  }

  [[noreturn]] void fail(const std::string& pointer, const std::string& message) const {
    const auto position = document_.positions.find(pointer);
    const std::string where =
        position == document_.positions.end()
            ? " "
            : std::to_string(position->second.line) + ":" + std::to_string(position->second.column) + ": ";
    throw Error(name_ + ":" + where + message);
  }

  /// `key` as a part of a JSON pointer.
  static std::string escaped(const std::string& key) {
    std::string result;
    for (const char c : key) {
      if (c == '~') {
        result += "~0";
      } else if (c == '/') {
        result += "~1";
      } else {
        result += c;
      }
    }
    return result;
  }

  const YamlDocument& document_;
  const std::string& name_;
  const Parameters& parameters_;
  std::set<std::string> used_;
};

}  // namespace

Json render_template(std::string_view text, const std::string& name, const Parameters& parameters) {
  const std::vector<YamlDocument> documents = parse_yaml(text, name);
  if (documents.size() != 1) throw Error(name + ": a template holds exactly one document");
  return Renderer(documents.front(), name, parameters).render();
}

}  // namespace gpuinfer::manifests
