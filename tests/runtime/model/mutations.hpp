// Damage to valid files, reproducible by its seed.
#pragma once

#include <cstdint>
#include <string>

namespace gpuinfer::model {

/// One to four changes within the first `range` bytes of `valid`: a flipped bit, a random byte, an extreme 64-bit
/// number over a length or offset, bytes cut out or put in.
std::string mutate(std::string valid, std::size_t range, std::uint64_t seed);

}  // namespace gpuinfer::model
