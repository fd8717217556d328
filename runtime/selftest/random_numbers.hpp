// Numbers from a seed, the same on every machine, and fast enough for millions of weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "runtime/engine/random.hpp"

namespace gpuinfer::selftest {

class RandomNumbers {
 public:
  explicit RandomNumbers(std::uint64_t seed) : state_(seed) {}

  /// Uniform in [0, limit), for limits that are small beside 2^64.
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }

  /// Uniform, with mean 0 and deviation 1: within ±sqrt(3).
  double unit_deviation() {
    constexpr double kSquareRootOf3 = 1.7320508075688772;
    return (static_cast<double>(next() >> 11) * 0x1p-52 - 1) * kSquareRootOf3;
  }

  /// Any bytes; a multiple of 8 of them.
  void fill(std::span<std::byte> bytes) {
    for (std::size_t i = 0; i < bytes.size(); i += sizeof(std::uint64_t)) {
      const std::uint64_t some = next();
      std::memcpy(&bytes[i], &some, sizeof some);
    }
  }

 private:
  std::uint64_t next() { return engine::scramble(state_ += 0x9E3779B97F4A7C15U); }

  std::uint64_t state_;
};

}  // namespace gpuinfer::selftest
