#include "runtime/text/chat_template.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.hpp"
#include "runtime/text/jinja/parser.hpp"
#include "runtime/text/jinja/renderer.hpp"
#include "runtime/text/utf8.hpp"

namespace gpuinfer::text {
namespace {

/// Four times the longest template that we know (gpt-oss); it bounds how deep a template can nest the values that it
/// makes.
constexpr std::size_t kMaxSourceBytes = 64 << 10;

constexpr std::string_view kRoles[] = {"assistant", "developer", "function", "ipython", "system", "tool", "user"};

bool is_usual_role(const jinja::Value& value) {
  return value.text() && std::find(std::begin(kRoles), std::end(kRoles), value.text()->str()) != std::end(kRoles);
}

/// `messages` with the usual roles marked as the template's.
jinja::Value trust_roles(const jinja::Value& messages) {
  if (!messages.list()) return messages;
  jinja::List trusted;
  for (const jinja::Value& message : *messages.list()) {
    if (!message.dict()) {
      trusted.push_back(message);
      continue;
    }
    jinja::Dict fields = *message.dict();
    for (auto& [key, value] : fields) {
      if (key.str() == "role" && is_usual_role(value)) value = MarkedText(value.text()->str(), Origin::kTemplate);
    }
    trusted.push_back(std::move(fields));
  }
  return trusted;
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view source, const std::map<std::string, std::string>& special_tokens) {
  if (source.size() > kMaxSourceBytes) {
    throw Error("a chat template of " + std::to_string(source.size()) + " bytes; the limit is " +
                std::to_string(kMaxSourceBytes));
  }
  block_ = jinja::parse(to_valid_utf8(source));
  for (const auto& [name, text] : special_tokens) special_tokens_.emplace(name, MarkedText(text, Origin::kTemplate));
}

MarkedText ChatTemplate::render(const Json& variables, std::time_t now) const {
  std::map<std::string, jinja::Value> values = special_tokens_;
  for (const auto& [name, json] : variables.items()) {
    jinja::Value value = jinja::Value::from_json(json, Origin::kUser);
    values.insert_or_assign(name, name == "messages" ? trust_roles(value) : std::move(value));
  }
  return jinja::render(block_, values, now);
}

}  // namespace gpuinfer::text
