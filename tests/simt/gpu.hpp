// The GPUs that the host side of a backend meets in tests: how large they are, and how they fail.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>

namespace gpuinfer::simt {

struct Gpu {
  int count = 8;
  std::int64_t memory_bytes = std::int64_t{1} << 30;
  /// Of GPUs that differ from the others, by their index.
  std::map<int, std::int64_t> other_memory_bytes = {};
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

/// Those that are there: a test may change them, and puts them back.
Gpu& gpu();

/// New GPUs, for a test to change and to count on; and other ones after it.
struct NewGpus {
  NewGpus() { gpu() = {}; }
  ~NewGpus() { gpu() = {}; }
  NewGpus(const NewGpus&) = delete;
  NewGpus& operator=(const NewGpus&) = delete;
};

/// Bytes that are allocated on all of them at present.
std::int64_t allocated_bytes();

}  // namespace gpuinfer::simt
