#include "runtime/backend/cuda/describe_device.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace gpuinfer::backend::cuda {
namespace {

/// Many times what the largest L2 cache holds.
constexpr std::int64_t kCopiedBytes = std::int64_t{512} << 20;
constexpr int kCopies = 20;
constexpr int kRounds = 5;

template <typename... Numbers>
std::string format(const char* pattern, Numbers... numbers) {
  char text[200];
  std::snprintf(text, sizeof text, pattern, numbers...);
  return text;
}

double gibibytes(std::int64_t bytes) { return static_cast<double>(bytes) / double{1 << 30}; }

}  // namespace

std::vector<std::string> describe(const Device& device) {
  const auto tenth = [](int version) { return version % 1000 / 10; };
  return {device.name + format(", compute capability %d.%d, %d multiprocessors", device.compute_capability / 10,
                               device.compute_capability % 10, static_cast<int>(device.multiprocessors)),
          format("%.1f of %.1f GiB of memory free", gibibytes(device.free_bytes), gibibytes(device.memory_bytes)),
          format("CUDA %d.%d, driver for CUDA %d.%d", device.runtime_version / 1000, tenth(device.runtime_version),
                 device.driver_version / 1000, tenth(device.driver_version))};
}

double measure_copy_bandwidth(const Device& device) {
  const auto bytes = static_cast<std::size_t>(std::min(kCopiedBytes, device.free_bytes / 4));
  const DeviceArray<std::byte> from(bytes);
  const DeviceArray<std::byte> to(bytes);
  Queue queue;
  double best_seconds = 0;
  for (int round = 0; round <= kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kCopies; ++i) queue.copy(to.data(), from.data(), bytes);
    queue.wait();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (round == 1 || (round > 1 && seconds < best_seconds)) best_seconds = seconds;  // The first one warms up.
  }
  return 2.0 * kCopies * static_cast<double>(bytes) / best_seconds / 1e9;
}

}  // namespace gpuinfer::backend::cuda
