// How a fake fails: numbers by name, from a variable of the environment.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

namespace gpuinfer::fakes {

using Settings = std::map<std::string, std::int64_t>;

/// Of "version=12040 init=100".
inline Settings parse_settings(const std::string& text) {
  Settings settings;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    settings[word.substr(0, equals)] = std::stoll(word.substr(equals + 1));
  }
  return settings;
}

inline Settings settings_of(const char* variable) {
  const char* const text = std::getenv(variable);
  return parse_settings(text == nullptr ? "" : text);
}

inline std::int64_t setting(const Settings& settings, const std::string& name, std::int64_t otherwise) {
  const auto found = settings.find(name);
  return found == settings.end() ? otherwise : found->second;
}

}  // namespace gpuinfer::fakes
