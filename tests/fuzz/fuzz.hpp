// What the fuzz targets share: bytes as text, errors that are answers, and promises that end the run when they are
// broken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace gpuinfer::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Runs `act`. A gpuinfer::Error is a proper answer to bad input; any other exception ends the run.
template <typename Act>
void accept_error(Act act) {
  try {
    act();
  } catch (const Error&) {
  }
}

/// Ends the run, which keeps the input, where `holds` is false.
inline void promise(bool holds, std::string_view what, const std::string& details = {}) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %.*s\n%s\n", static_cast<int>(what.size()), what.data(), details.c_str());
  std::abort();
}

}  // namespace gpuinfer::fuzz
