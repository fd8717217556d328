// Typed access to one mapping of an embedded YAML file, with errors that name the file, the line and the field.
#pragma once

#include <set>
#include <string>

#include "base/yaml.hpp"

namespace gpuinfer::plugin {

/// A mapping of a YAML document whose fields are taken one by one; finish() then refuses the fields that nobody took.
class YamlRecord {
 public:
  /// The mapping at `pointer` ("/0/source") of `document`. Throws Error where that is no mapping.
  YamlRecord(const YamlDocument& document, std::string file_name, std::string pointer)
      : document_(document), file_name_(std::move(file_name)), pointer_(std::move(pointer)) {
    if (!mapping().is_object()) fail("", "expected a mapping");
  }

  bool has(const std::string& field) const { return mapping().contains(field); }

  /// The field's value as a T. Throws Error where it is missing or of another type.
  template <typename T>
  T take(const std::string& field) {
    if (!has(field)) fail("", "missing field '" + field + "'");
    taken_.insert(field);
    try {
      return mapping().at(field).template get<T>();
    } catch (const Json::exception&) {
      fail(field, "field '" + field + "' has the wrong type");
    }
  }

  /// The field's value, or `otherwise` where it is missing.
  template <typename T>
  T take(const std::string& field, T otherwise) {
    return has(field) ? take<T>(field) : otherwise;
  }

  /// The mapping in `field`.
  YamlRecord record(const std::string& field) {
    if (!has(field)) fail("", "missing field '" + field + "'");
    taken_.insert(field);
    return YamlRecord(document_, file_name_, pointer_ + "/" + field);
  }

  /// Throws Error where the mapping has a field that nobody took: a typing error in the file.
  void finish() const {
    for (const auto& [field, value] : mapping().items()) {
      if (!taken_.contains(field)) fail(field, "unknown field '" + field + "'");
    }
  }

  /// Throws Error "FILE:LINE:COLUMN: WHAT" with the place of `field`, or of the mapping itself where `field` is empty.
  [[noreturn]] void fail(const std::string& field, const std::string& what) const {
    const std::string pointer = field.empty() ? pointer_ : pointer_ + "/" + field;
    const auto found = document_.positions.find(pointer);
    const YamlPosition position = found == document_.positions.end() ? YamlPosition{} : found->second;
    throw Error(file_name_ + ":" + std::to_string(position.line) + ":" + std::to_string(position.column) + ": " + what);
  }

 private:
  const Json& mapping() const { return document_.value.at(Json::json_pointer(pointer_)); }

  const YamlDocument& document_;
  std::string file_name_;
  std::string pointer_;
  std::set<std::string> taken_;
};

}  // namespace gpuinfer::plugin
