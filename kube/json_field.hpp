// Fields of JSON that others wrote: a field that is missing or of another type is empty, never an exception.
#pragma once

#include <string>

#include "base/json.hpp"

namespace gpuinfer::kube {

/// The string at the JSON pointer `pointer` ("/metadata/name"), or "".
inline std::string text_at(const Json& value, const std::string& pointer) {
  const Json::json_pointer at(pointer);
  return value.contains(at) && value.at(at).is_string() ? value.at(at).get<std::string>() : "";
}

/// The whole number at `pointer`, or `otherwise`.
inline int number_at(const Json& value, const std::string& pointer, int otherwise = 0) {
  const Json::json_pointer at(pointer);
  return value.contains(at) && value.at(at).is_number_integer() ? value.at(at).get<int>() : otherwise;
}

/// Whether the value at `pointer` is true.
inline bool flag_at(const Json& value, const std::string& pointer) {
  const Json::json_pointer at(pointer);
  return value.contains(at) && value.at(at) == Json(true);
}

}  // namespace gpuinfer::kube
