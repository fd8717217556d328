// Random numbers that depend on a seed and a position alone.
#pragma once

#include <cstdint>

namespace gpuinfer::engine {

/// Scrambles 64 bits: the finaliser of SplitMix64 (Steele et al., 2014).
constexpr std::uint64_t scramble(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

/// Uniform in [0, 1) with 53 random bits: the number at `position` of the sequence that `seed` begins. There is no
/// state to keep, so it makes no difference what was drawn before, or how often a token had to be computed.
constexpr double uniform(std::uint64_t seed, std::uint64_t position) {
  const std::uint64_t bits = scramble(scramble(seed) + (position + 1) * 0x9E3779B97F4A7C15U);
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace gpuinfer::engine
