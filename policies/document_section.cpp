#include "policies/document_section.hpp"

#include <algorithm>
#include <utility>

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

std::optional<std::vector<DocumentSection>> DocumentSection::sections(const std::string& key) {
  const Json* found = find_list(key);
  if (found == nullptr) return std::nullopt;
  std::vector<DocumentSection> list;
  list.reserve(found->size());
  for (std::size_t i = 0; i < found->size(); ++i) {
    list.push_back(DocumentSection(*document_, file_name_, pointer_to(key) + "/" + std::to_string(i)));
  }
  return list;
}

std::optional<std::map<std::string, DocumentSection>> DocumentSection::section_map(const std::string& key,
                                                                                   Grammar keys) {
  const Json* found = find_object(key);
  if (found == nullptr) return std::nullopt;
  std::map<std::string, DocumentSection> sections;
  for (const auto& [name, item] : found->items()) {
    const std::string pointer = (Json::json_pointer(pointer_to(key)) / name).to_string();
    if (!keys.accepts(name)) fail_at(pointer, std::string("has a key that is not ") + keys.description);
    sections.emplace(name, DocumentSection(*document_, file_name_, pointer));
  }
  return sections;
}

std::optional<bool> DocumentSection::boolean(const std::string& key) {
  const Json* found = find(key);
  if (found == nullptr) return std::nullopt;
  if (!found->is_boolean()) fail(key, "must be true or false");
  return found->get<bool>();
}

std::optional<std::string> DocumentSection::text(const std::string& key, Grammar grammar) {
  const Json* found = find(key);
  if (found == nullptr) return std::nullopt;
  if (!accepts(grammar, *found)) fail(key, std::string("must be ") + grammar.description);
  return found->get<std::string>();
}

std::optional<std::vector<std::string>> DocumentSection::texts(const std::string& key, Grammar element) {
  const Json* found = find_list(key);
  if (found == nullptr) return std::nullopt;
  std::vector<std::string> list;
  list.reserve(found->size());
  for (std::size_t i = 0; i < found->size(); ++i) {
    const Json& item = (*found)[i];
    if (!accepts(element, item)) {
      fail_at(pointer_to(key) + "/" + std::to_string(i), std::string("must be ") + element.description);
    }
    list.push_back(item.get<std::string>());
  }
  return list;
}

std::optional<std::map<std::string, std::string>> DocumentSection::text_map(const std::string& key, Grammar keys,
                                                                            Grammar values) {
  const Json* found = find_object(key);
  if (found == nullptr) return std::nullopt;
  std::map<std::string, std::string> map;
  for (const auto& [name, item] : found->items()) {
    const std::string pointer = (Json::json_pointer(pointer_to(key)) / name).to_string();
    if (!keys.accepts(name)) fail_at(pointer, std::string("has a key that is not ") + keys.description);
    if (!accepts(values, item)) fail_at(pointer, std::string("must be ") + values.description);
    map[name] = item.get<std::string>();
  }
  return map;
}

std::optional<std::int64_t> DocumentSection::bytes(const std::string& key) {
  const Json* found = find(key);
  if (found == nullptr) return std::nullopt;
  std::int64_t amount = 0;
  try {
    amount = quantity_of(*found);
  } catch (const Error&) {
    amount = 0;  // the message below says what is expected
  }
  if (amount <= 0) fail(key, "must be a quantity above zero, such as 2Gi");
  return amount;
}

std::optional<std::int64_t> DocumentSection::whole_number(const std::string& key, std::int64_t least,
                                                          std::int64_t most) {
  const Json* found = find(key);
  if (found == nullptr) return std::nullopt;
  return number_at(pointer_to(key), *found, least, most);
}

std::optional<std::vector<std::int64_t>> DocumentSection::whole_numbers(const std::string& key, std::int64_t least,
                                                                        std::int64_t most) {
  const Json* found = find_list(key);
  if (found == nullptr) return std::nullopt;
  std::vector<std::int64_t> numbers;
  numbers.reserve(found->size());
  for (std::size_t i = 0; i < found->size(); ++i) {
    numbers.push_back(number_at(pointer_to(key) + "/" + std::to_string(i), (*found)[i], least, most));
  }
  return numbers;
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

const Json* DocumentSection::find_list(const std::string& key) {
  const Json* found = find(key);
  if (found != nullptr && !found->is_array()) fail(key, "must be a list");
  return found;
}

const Json* DocumentSection::find_object(const std::string& key) {
  const Json* found = find(key);
  if (found != nullptr && !found->is_object()) fail(key, "must be an object");
  return found;
}

const Json& DocumentSection::value() const { return document_->value.at(Json::json_pointer(pointer_)); }

std::int64_t DocumentSection::number_at(const std::string& pointer, const Json& value, std::int64_t least,
                                        std::int64_t most) const {
  if (!value.is_number_integer() || value < least || value > most) {
    fail_at(pointer, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return value.get<std::int64_t>();
}

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
