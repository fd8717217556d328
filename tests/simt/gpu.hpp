// The GPU that the host side of a backend meets in tests: how large it is, and how it fails.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace gpuinfer::simt {

struct Gpu {
  std::int64_t memory_bytes = std::int64_t{1} << 30;
  /// Why there is none.
  std::optional<std::string> missing = {};
  /// Waits that succeed before all fail, as after a fault in a kernel.
  std::int64_t waits_until_fault = std::numeric_limits<std::int64_t>::max();
  /// Whether it records launches.
  bool records = true;
  /// Graphs that were recorded, and how often any was launched.
  std::int64_t recorded = 0;
  std::int64_t graph_launches = 0;
};

/// The one that is there: a test may change it, and puts it back.
Gpu& gpu();

/// Bytes that are allocated on it at present.
std::int64_t allocated_bytes();

}  // namespace gpuinfer::simt
