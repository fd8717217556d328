// YAML to JSON values with the scalar rules of Kubernetes, back to YAML in the way that kubectl users write it, and the
// place of a value.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace gpuinfer {

/// A place in a YAML text, counted from 1.
struct YamlPosition {
  int line = 0;
  int column = 0;
};

/// The text is not YAML that a JSON value can hold; `what()` starts with "NAME:LINE:COLUMN: ".
class YamlError : public Error {
 public:
  using Error::Error;
};

/// One document of a stream.
struct YamlDocument {
  Json value;
  /// Where each value stands, by JSON pointer ("" is the document itself, "/spec/replicas" a field).
  std::map<std::string, YamlPosition> positions;
};

/// The documents of `text`, empty ones left out. Plain scalars become null, bool, integer or float by the YAML 1.2 core
/// schema plus YAML 1.1's hexadecimal, as sigs.k8s.io/yaml reads them; quoted ones are strings. JSON is YAML. Anchors
/// and aliases are followed; more than a million values (an alias bomb), a key that is not a scalar, and a duplicate
/// key are errors. Throws YamlError, with `name` as the file's name.
std::vector<YamlDocument> parse_yaml(std::string_view text, const std::string& name);

/// Block style, two spaces, sequences not indented below their key, strings quoted only where YAML would read something
/// else, strings of several lines as `|` blocks. No leading "---"; ends in a newline. parse_yaml(emit_yaml(v)) is v.
std::string emit_yaml(const Json& value);

}  // namespace gpuinfer
