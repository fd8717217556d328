// ggml's block layouts.
#include "runtime/model/quantized_block.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/model/half.hpp"

namespace gpuinfer::model {
namespace {

using Values = std::array<std::int8_t, kQuantizedBlockElements>;

float load_float16(const std::byte* bytes) {
  std::uint16_t value;
  std::memcpy(&value, bytes, sizeof value);
  return from_float16(value);
}

void set_scale(QuantizedBlock& block, float scale) { block.scales = {scale, scale}; }

std::int8_t low_nibble(std::byte byte) { return static_cast<std::int8_t>(byte & std::byte{15}); }
std::int8_t high_nibble(std::byte byte) { return static_cast<std::int8_t>(byte >> 4); }

/// The low nibbles are elements 0..15, the high ones 16..31.
void unpack_nibbles(const std::byte* nibbles, Values& values) {
  for (std::size_t i = 0; i < 16; ++i) {
    values[i] = low_nibble(nibbles[i]);
    values[i + 16] = high_nibble(nibbles[i]);
  }
}

/// Bit i of four bytes is worth 16 in element i.
void add_fifth_bits(const std::byte* bytes, Values& values) {
  std::uint32_t bits;
  std::memcpy(&bits, bytes, sizeof bits);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<std::int8_t>(values[i] | (bits >> i & 1) << 4);
  }
}

/// The codes of E2M1 by the doubled values that they stand for.
void look_up_e2m1(Values& codes) {
  for (std::int8_t& code : codes) code = kDoubledE2m1[static_cast<std::size_t>(code)];
}

/// 2^(exponent - 127), halved because the values are doubled.
float halved_e8m0(std::byte exponent) {
  constexpr int kBias = 127;
  constexpr std::byte kNan{255};
  return exponent == kNan ? std::numeric_limits<float>::quiet_NaN()
                          : std::ldexp(1.0F, std::to_integer<int>(exponent) - kBias - 1);
}

// --- K types: 256 elements, whose runs have small integers as scales. ---

/// Scale or minimum number `run` of the eight and eight that 12 bytes hold with six bits each: those of runs 0..3 in
/// the low bits of bytes 0..3 and 4..7; those of runs 4..7 in nibbles of bytes 8..11, their upper two bits above the
/// others.
struct SixBitPair {
  float scale, minimum;
};

SixBitPair unpack_six_bits(const std::byte* bytes, std::int64_t run) {
  const auto bits = [&](std::int64_t index) { return std::to_integer<unsigned>(bytes[index]); };
  unsigned scale = bits(run) & 63;
  unsigned minimum = bits(run + 4) & 63;
  if (run >= 4) {
    scale = (bits(run + 4) & 15) | bits(run - 4) >> 6 << 4;
    minimum = bits(run + 4) >> 4 | bits(run) >> 6 << 4;
  }
  return {static_cast<float>(scale), static_cast<float>(minimum)};
}

/// The scale and minimum of a run of Q4_K or Q5_K, which both begin with {f16 d, dmin; u8 scales[12]}.
void unpack_k_scales(const std::byte* bytes, std::int64_t run, QuantizedBlock& block) {
  const SixBitPair pair = unpack_six_bits(bytes + 4, run);
  set_scale(block, load_float16(bytes) * pair.scale);
  block.minimum = -(load_float16(bytes + 2) * pair.minimum);
}

/// 32 bytes hold two runs, the even one in the low nibbles.
void unpack_k_nibbles(const std::byte* nibbles, std::int64_t run, Values& values) {
  nibbles += run / 2 * kQuantizedBlockElements;
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = run % 2 == 0 ? low_nibble(nibbles[i]) : high_nibble(nibbles[i]);
  }
}

/// {f16 d, dmin; u8 scales[12]; u8 qs[128]}
QuantizedBlock unpack_q4_k(const std::byte* bytes, std::int64_t run) {
  QuantizedBlock block;
  unpack_k_scales(bytes, run, block);
  unpack_k_nibbles(bytes + 16, run, block.values);
  return block;
}

/// {f16 d, dmin; u8 scales[12]; u8 qh[32]; u8 qs[128]}; bit `run` of qh[i] is the fifth of element i of that run.
QuantizedBlock unpack_q5_k(const std::byte* bytes, std::int64_t run) {
  QuantizedBlock block;
  unpack_k_scales(bytes, run, block);
  unpack_k_nibbles(bytes + 48, run, block.values);
  for (std::size_t i = 0; i < block.values.size(); ++i) {
    const unsigned fifth = std::to_integer<unsigned>(bytes[16 + i]) >> run & 1;
    block.values[i] = static_cast<std::int8_t>(block.values[i] | fifth << 4);
  }
  return block;
}

/// {u8 ql[128]; u8 qh[64]; i8 scales[16]; f16 d}, in two halves of four runs: runs 0 and 1 of a half are the low
/// nibbles of its 64 bytes of ql, runs 2 and 3 the high ones; two bits of each of its 32 bytes of qh go to each run.
QuantizedBlock unpack_q6_k(const std::byte* bytes, std::int64_t run) {
  const std::int64_t half = run / 4;
  const std::int64_t in_half = run % 4;
  const std::byte* const low = bytes + half * 64 + in_half % 2 * 32;
  const std::byte* const high = bytes + 128 + half * 32;
  const std::byte* const scales = bytes + 192 + run * 2;
  const float d = load_float16(bytes + 208);
  QuantizedBlock block;
  for (std::size_t i = 0; i < block.scales.size(); ++i) {
    block.scales[i] = d * static_cast<float>(static_cast<std::int8_t>(scales[i]));
  }
  for (std::size_t i = 0; i < block.values.size(); ++i) {
    const int nibble = in_half < 2 ? low_nibble(low[i]) : high_nibble(low[i]);
    const int upper = std::to_integer<int>(high[i]) >> (2 * in_half) & 3;
    block.values[i] = static_cast<std::int8_t>((nibble | upper << 4) - 32);
  }
  return block;
}

}  // namespace

QuantizedBlock unpack_block(DataType type, const std::byte* bytes, std::int64_t run) {
  if (type == DataType::kQ4_K) return unpack_q4_k(bytes, run);
  if (type == DataType::kQ5_K) return unpack_q5_k(bytes, run);
  if (type == DataType::kQ6_K) return unpack_q6_k(bytes, run);
  QuantizedBlock block;
  if (type == DataType::kMxfp4Ggml) {
    set_scale(block, halved_e8m0(*bytes));
    unpack_nibbles(bytes + 1, block.values);
    look_up_e2m1(block.values);
    return block;
  }
  const float scale = load_float16(bytes);
  set_scale(block, scale);
  if (type == DataType::kQ8_0) {
    std::memcpy(block.values.data(), bytes + 2, block.values.size());
    return block;
  }
  const bool has_fifth_bits = type == DataType::kQ5_0 || type == DataType::kQ5_1;
  const bool has_minimum = type == DataType::kQ4_1 || type == DataType::kQ5_1;
  bytes += 2;
  if (has_minimum) {
    block.minimum = load_float16(bytes);
    bytes += 2;
  } else {
    block.minimum = (has_fifth_bits ? -16.0F : -8.0F) * scale;
  }
  unpack_nibbles(bytes + (has_fifth_bits ? 4 : 0), block.values);
  if (has_fifth_bits) add_fifth_bits(bytes, block.values);
  return block;
}

QuantizedBlock unpack_mxfp4_block(const std::byte* bytes, std::byte scale) {
  QuantizedBlock block;
  set_scale(block, halved_e8m0(scale));
  for (std::size_t i = 0; i < 16; ++i) {
    block.values[2 * i] = low_nibble(bytes[i]);
    block.values[2 * i + 1] = high_nibble(bytes[i]);
  }
  look_up_e2m1(block.values);
  return block;
}

}  // namespace gpuinfer::model
