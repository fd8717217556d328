#include "policies/document_section.hpp"

#include <algorithm>
#include <utility>

#include "policies/policy_document.hpp"
#include "policies/quantity.hpp"

namespace gpuinfer::policies {

namespace {

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t i = text.find(from); i != std::string::npos; i = text.find(from, i + to.size())) {
    text.replace(i, from.size(), to);
  }
  return text;
}

/// "/spec/rewrites/a~1b" as people write it: "spec.rewrites.a/b".
std::string field_name(const std::string& pointer) {
  if (pointer.empty()) return "the document";
  return replace_all(replace_all(replace_all(pointer.substr(1), "/", "."), "~1", "/"), "~0", "~");
}

bool accepts(const Grammar& grammar, const Json& value) {
  return value.is_string() && grammar.accepts(value.get_ref<const std::string&>());
}

}  // namespace

DocumentSection::DocumentSection(const YamlDocument& document, std::string file_name)
    : DocumentSection(document, std::move(file_name), "") {}

DocumentSection::DocumentSection(const YamlDocument& document, std::string file_name, std::string pointer)
    : document_(&document), file_name_(std::move(file_name)), pointer_(std::move(pointer)) {
  if (!value().is_object()) fail("", "must be an object");
}

std::optional<DocumentSection> DocumentSection::section(const std::string& key) {
  if (find(key) == nullptr) return std::nullopt;
  return DocumentSection(*document_, file_name_, pointer_to(key));
}

void DocumentSection::read(const std::string& key, bool& target) {
  const Json* found = find(key);
  if (found == nullptr) return;
  if (!found->is_boolean()) fail(key, "must be true or false");
  target = found->get<bool>();
}

void DocumentSection::read(const std::string& key, std::string& target, Grammar grammar) {
  const Json* found = find(key);
  if (found == nullptr) return;
  if (!accepts(grammar, *found)) fail(key, std::string("must be ") + grammar.description);
  target = found->get<std::string>();
}

void DocumentSection::read(const std::string& key, std::vector<std::string>& target, Grammar element) {
  const Json* found = find(key);
  if (found == nullptr) return;
  if (!found->is_array()) fail(key, "must be a list");
  target.clear();
  for (std::size_t i = 0; i < found->size(); ++i) {
    const Json& item = (*found)[i];
    if (!accepts(element, item)) {
      fail_at(pointer_to(key) + "/" + std::to_string(i), std::string("must be ") + element.description, "");
    }
    target.push_back(item.get<std::string>());
  }
}

void DocumentSection::read(const std::string& key, std::map<std::string, std::string>& target, Grammar keys,
                           Grammar values) {
  const Json* found = find(key);
  if (found == nullptr) return;
  if (!found->is_object()) fail(key, "must be an object");
  target.clear();
  for (const auto& [name, item] : found->items()) {
    const std::string pointer = (Json::json_pointer(pointer_to(key)) / name).to_string();
    if (!keys.accepts(name)) fail_at(pointer, std::string("has a key that is not ") + keys.description, "");
    if (!accepts(values, item)) fail_at(pointer, std::string("must be ") + values.description, "");
    target[name] = item.get<std::string>();
  }
}

void DocumentSection::read_bytes(const std::string& key, std::int64_t& target) {
  const Json* found = find(key);
  if (found == nullptr) return;
  std::int64_t bytes = 0;
  try {
    bytes = quantity_of(*found);
  } catch (const Error&) {
    bytes = 0;  // the message below says what is expected
  }
  if (bytes <= 0) fail(key, "must be a quantity above zero, such as 2Gi");
  target = bytes;
}

void DocumentSection::read_percent(const std::string& key, std::int64_t& target) {
  const Json* found = find(key);
  if (found == nullptr) return;
  if (!found->is_number_integer() || *found < 1 || *found > 100) fail(key, "must be a whole number from 1 to 100");
  target = found->get<std::int64_t>();
}

void DocumentSection::close() const {
  for (const auto& [key, item] : value().items()) {
    if (std::find(known_keys_.begin(), known_keys_.end(), key) != known_keys_.end()) continue;
    std::string known;
    for (const std::string& name : known_keys_) known += (known.empty() ? "" : ", ") + name;
    fail(key, "is an unknown key", "known keys here: " + known);
  }
}

void DocumentSection::fail(const std::string& key, const std::string& message, const std::string& remedy) const {
  fail_at(key.empty() ? pointer_ : pointer_to(key), message, remedy);
}

const Json* DocumentSection::find(const std::string& key) {
  known_keys_.push_back(key);
  const auto found = value().find(key);
  return found == value().end() ? nullptr : &*found;
}

const Json& DocumentSection::value() const { return document_->value.at(Json::json_pointer(pointer_)); }

void DocumentSection::fail_at(const std::string& pointer, const std::string& message, const std::string& remedy) const {
  const auto found = document_->positions.find(pointer);
  const YamlPosition position = found == document_->positions.end() ? YamlPosition{1, 1} : found->second;
  throw PolicyDocumentError(file_name_ + ":" + std::to_string(position.line) + ":" + std::to_string(position.column) +
                                ": " + field_name(pointer) + " " + message,
                            remedy);
}

std::string DocumentSection::pointer_to(const std::string& key) const {
  return (Json::json_pointer(pointer_) / key).to_string();
}

}  // namespace gpuinfer::policies
