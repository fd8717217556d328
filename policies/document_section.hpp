// Reading a configuration document field by field, with errors that name file, line and column.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml.hpp"
#include "policies/grammars.hpp"

namespace gpuinfer::policies {

/// The document is not what it should be; `what()` starts with "NAME:LINE:COLUMN: ".
class PolicyDocumentError : public Error {
 public:
  using Error::Error;
};

/// One object of a YAML document. A function that reads a key gives nothing where the key is absent, and throws
/// PolicyDocumentError where the value is wrong. close() throws it for keys that nothing has read.
class DocumentSection {
 public:
  /// The whole document. It is kept by reference.
  DocumentSection(const YamlDocument& document, std::string file_name);

  std::optional<DocumentSection> section(const std::string& key);
  std::optional<std::vector<DocumentSection>> sections(const std::string& key);  ///< a list of objects
  std::optional<std::map<std::string, DocumentSection>> section_map(const std::string& key, Grammar keys);

  std::optional<bool> boolean(const std::string& key);
  std::optional<std::string> text(const std::string& key, Grammar grammar);
  std::optional<std::vector<std::string>> texts(const std::string& key, Grammar element);
  std::optional<std::map<std::string, std::string>> text_map(const std::string& key, Grammar keys, Grammar values);
  std::optional<std::int64_t> bytes(const std::string& key);  ///< a quantity above zero
  std::optional<std::int64_t> whole_number(const std::string& key, std::int64_t least, std::int64_t most);
  std::optional<std::vector<std::int64_t>> whole_numbers(const std::string& key, std::int64_t least, std::int64_t most);

  void close() const;

  /// Throws PolicyDocumentError at the value of `key`, or at the section itself where `key` is empty.
  [[noreturn]] void fail(const std::string& key, const std::string& message, const std::string& remedy = "") const;

 private:
  DocumentSection(const YamlDocument& document, std::string file_name, std::string pointer);

  const Json* find(const std::string& key);
  const Json* find_list(const std::string& key);
  const Json* find_object(const std::string& key);
  const Json& value() const;
  std::int64_t number_at(const std::string& pointer, const Json& value, std::int64_t least, std::int64_t most) const;
  [[noreturn]] void fail_at(const std::string& pointer, const std::string& message,
                            const std::string& remedy = "") const;
  std::string pointer_to(const std::string& key) const;

  const YamlDocument* document_;
  std::string file_name_;
  std::string pointer_;                  ///< JSON pointer of this object
  std::vector<std::string> known_keys_;  ///< those that somebody has read
};

}  // namespace gpuinfer::policies
