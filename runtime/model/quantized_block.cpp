// ggml's block layouts.
#include "runtime/model/quantized_block.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/model/half.hpp"

namespace gpuinfer::model {
namespace {

float load_float16(const std::byte* bytes) {
  std::uint16_t value;
  std::memcpy(&value, bytes, sizeof value);
  return from_float16(value);
}

/// The low nibbles are elements 0..15, the high ones 16..31.
void unpack_nibbles(const std::byte* nibbles, QuantizedBlock& block) {
  for (std::size_t i = 0; i < 16; ++i) {
    block.values[i] = static_cast<std::int8_t>(nibbles[i] & std::byte{15});
    block.values[i + 16] = static_cast<std::int8_t>(nibbles[i] >> 4);
  }
}

}  // namespace

QuantizedBlock unpack_block(DataType type, const std::byte* bytes) {
  QuantizedBlock block;
  block.scale = load_float16(bytes);
  if (type == DataType::kQ8_0) {
    std::memcpy(block.values.data(), bytes + 2, block.values.size());
  } else if (type == DataType::kQ4_1) {
    block.minimum = load_float16(bytes + 2);
    unpack_nibbles(bytes + 4, block);
  } else {
    block.minimum = -8 * block.scale;
    unpack_nibbles(bytes + 2, block);
  }
  return block;
}

QuantizedBlock unpack_mxfp4_block(const std::byte* bytes, std::byte scale) {
  constexpr int kBias = 127;
  constexpr std::byte kNan{255};
  QuantizedBlock block;
  // One power of two less, because the values are doubled.
  block.scale = scale == kNan ? std::numeric_limits<float>::quiet_NaN()
                              : std::ldexp(1.0F, std::to_integer<int>(scale) - kBias - 1);
  for (std::size_t i = 0; i < 16; ++i) {
    block.values[2 * i] = kDoubledE2m1[std::to_integer<std::size_t>(bytes[i] & std::byte{15})];
    block.values[2 * i + 1] = kDoubledE2m1[std::to_integer<std::size_t>(bytes[i] >> 4)];
  }
  return block;
}

}  // namespace gpuinfer::model
