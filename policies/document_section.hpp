// Reading a configuration document field by field, with errors that name file, line and column.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml.hpp"

namespace gpuinfer::policies {

/// What a text must be, and how a message calls that ("the name of a namespace").
struct Grammar {
  bool (*accepts)(std::string_view);
  const char* description;
};

/// One object of a YAML document. Each read() leaves its target alone where the key is absent, and throws
/// PolicyDocumentError where the value is wrong. close() throws it for keys that nothing has read.
class DocumentSection {
 public:
  /// The whole document, and an object in it. Both keep a reference to `document`.
  DocumentSection(const YamlDocument& document, std::string file_name);
  std::optional<DocumentSection> section(const std::string& key);

  void read(const std::string& key, bool& target);
  void read(const std::string& key, std::string& target, Grammar grammar);
  void read(const std::string& key, std::vector<std::string>& target, Grammar element);
  void read(const std::string& key, std::map<std::string, std::string>& target, Grammar keys, Grammar values);
  /// A quantity above zero.
  void read_bytes(const std::string& key, std::int64_t& target);
  /// A whole number from 1 to 100.
  void read_percent(const std::string& key, std::int64_t& target);

  void close() const;

  /// Throws PolicyDocumentError at the value of `key`, or at the section itself where `key` is empty.
  [[noreturn]] void fail(const std::string& key, const std::string& message, const std::string& remedy = "") const;

 private:
  DocumentSection(const YamlDocument& document, std::string file_name, std::string pointer);

  const Json* find(const std::string& key);
  const Json& value() const;
  [[noreturn]] void fail_at(const std::string& pointer, const std::string& message, const std::string& remedy) const;
  std::string pointer_to(const std::string& key) const;

  const YamlDocument* document_;
  std::string file_name_;
  std::string pointer_;                  ///< JSON pointer of this object
  std::vector<std::string> known_keys_;  ///< those that somebody has read
};

}  // namespace gpuinfer::policies
