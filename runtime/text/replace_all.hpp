// Replaces every occurrence of a string.
#pragma once

#include <string>
#include <string_view>

namespace gpuinfer::text {

/// From left to right; what was put in is not searched again. `from` is not empty.
inline std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  result.reserve(text.size());
  std::size_t done = 0;
  for (std::size_t at; (at = text.find(from, done)) != std::string_view::npos; done = at + from.size()) {
    (result += text.substr(done, at - done)) += to;
  }
  return result += text.substr(done);
}

}  // namespace gpuinfer::text
