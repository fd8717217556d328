#include "runtime/server/request_id.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>

namespace gpuinfer::server {

std::string request_id(const std::string& header) {
  const bool usable = !header.empty() && header.size() <= 128 &&
                      std::ranges::all_of(header, [](char c) { return c > ' ' && c <= '~'; });
  if (usable) return header;
  std::random_device random;
  std::array<char, 25> digits;
  std::snprintf(digits.data(), digits.size(), "%08x%08x%08x", random(), random(), random());
  return digits.data();
}

}  // namespace gpuinfer::server
