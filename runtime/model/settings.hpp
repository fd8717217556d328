// Typed access to an object of config.json.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.hpp"

namespace gpuinfer::model {

/// Null counts as absent, as in transformers. Everything throws Error with the object's place in front: where a value
/// is missing or of another type.
class Settings {
 public:
  /// `place` names the object in messages: "config.json: rope_parameters".
  Settings(const Json& json, std::string place);

  /// Throws Error: the model needs something that is not supported.
  [[noreturn]] void refuse(const std::string& what) const;

  const Json* find(const char* key) const;
  bool has(const char* key) const { return find(key) != nullptr; }

  std::int64_t integer(const char* key) const;
  std::int64_t integer(const char* key, std::int64_t otherwise) const;
  double real(const char* key) const;
  double real(const char* key, double otherwise) const;
  /// A finite number above zero.
  double positive(const char* key) const;
  double positive(const char* key, double otherwise) const;
  bool boolean(const char* key, bool otherwise) const;
  std::string string(const char* key, const std::string& otherwise) const;
  /// The object at `key`, which is there.
  Settings object(const char* key) const;

  const std::string& place() const { return place_; }

 private:
  const Json& json_;
  std::string place_;
};

}  // namespace gpuinfer::model
