// What the bits of packed weights mean, for one instruction set: their scales, minima and values. Included once per
// target.
// clang-format off: Highway's toggled include guard
#if defined(GPUINFER_RUNTIME_BACKEND_CPU_QUANTIZED_FORMATS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef GPUINFER_RUNTIME_BACKEND_CPU_QUANTIZED_FORMATS_INL
#undef GPUINFER_RUNTIME_BACKEND_CPU_QUANTIZED_FORMATS_INL
#else
#define GPUINFER_RUNTIME_BACKEND_CPU_QUANTIZED_FORMATS_INL
#endif
// clang-format on

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "runtime/backend/cpu/multiply_pairs-inl.hpp"
#include "runtime/backend/cpu/packed_matrix.hpp"
#include "runtime/model/quantized_block.hpp"

HWY_BEFORE_NAMESPACE();
namespace gpuinfer::backend::HWY_NAMESPACE {

using U8 = hn::Repartition<std::uint8_t, F32>;
using VF = hn::Vec<F32>;
using VI = hn::Vec<I32>;
using Bytes = hn::Vec<U16>;  ///< four values of each row, handled in 16-bit halves

/// Vectors of rows in a group: two share each activation that is loaded.
inline constexpr int kGroupVectors = 2;

HWY_INLINE std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(F32())); }

// --- One vector of units; `unit` counts vectors from the first of its size. ---

HWY_INLINE VF load_float16(const std::byte* halves, int unit) {
  const hn::Rebind<hwy::float16_t, F32> d16;
  return hn::PromoteTo(F32(), hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(halves) + unit * lanes()));
}

HWY_INLINE VF load_bfloat16(const std::byte* halves, int unit) {
  const hn::Rebind<hwy::bfloat16_t, F32> d16;
  return hn::PromoteTo(F32(), hn::LoadU(d16, reinterpret_cast<const hwy::bfloat16_t*>(halves) + unit * lanes()));
}

template <typename Byte>
HWY_INLINE VI load_byte(const std::byte* bytes, int unit) {
  const hn::Rebind<Byte, F32> d8;
  return hn::PromoteTo(I32(), hn::LoadU(d8, reinterpret_cast<const Byte*>(bytes) + unit * lanes()));
}

HWY_INLINE Bytes load_word(const std::byte* words, int unit) {
  return hn::BitCast(U16(), hn::LoadU(U8(), reinterpret_cast<const std::uint8_t*>(words) + unit * 4 * lanes()));
}

/// Bits moved up by `count`, or down where it is negative; those that cross a byte have to be masked away.
template <int count>
HWY_INLINE Bytes shift(Bytes bits) {
  if constexpr (count >= 0) {
    return hn::ShiftLeft<count>(bits);
  } else {
    return hn::ShiftRight<-count>(bits);
  }
}

HWY_INLINE Bytes mask(Bytes bits, int byte_mask) {
  return hn::And(bits, hn::Set(U16(), static_cast<std::uint16_t>(byte_mask * 0x0101)));
}

// --- Values: columns 4·quad .. 4·quad+3 of vector `v` of the rows, from the words of a run. ---

constexpr int kQuads = static_cast<int>(model::kQuantizedBlockElements) / 4;

struct Nibbles {
  static constexpr bool kSigned = false;
  template <int quad>
  static HWY_INLINE Bytes values(const std::byte* words, int v) {
    const Bytes word = load_word(words, quad % 4 * kGroupVectors + v);
    return mask(shift < quad < 4 ? 0 : -4 > (word), 15);
  }
};

struct FiveBits {
  static constexpr bool kSigned = false;
  template <int quad>
  static HWY_INLINE Bytes values(const std::byte* words, int v) {
    const Bytes fifth = mask(shift<4 - quad>(load_word(words, v)), 16);
    return hn::Or(Nibbles::values<quad>(words + 4 * kGroupVectors * lanes(), v), fifth);
  }
};

/// -32 .. 31
struct SixBits {
  static constexpr bool kSigned = true;
  template <int quad>
  static HWY_INLINE Bytes values(const std::byte* words, int v) {
    const Bytes upper = mask(shift<4 - 2 * (quad % 4)>(load_word(words, quad / 4 * kGroupVectors + v)), 0x30);
    const Bytes all = hn::Or(Nibbles::values<quad>(words + 2 * 4 * kGroupVectors * lanes(), v), upper);
    return hn::BitCast(U16(), hn::Sub(hn::BitCast(U8(), all), hn::Set(U8(), 32)));
  }
};

struct EightBits {
  static constexpr bool kSigned = true;
  template <int quad>
  static HWY_INLINE Bytes values(const std::byte* words, int v) {
    return load_word(words, quad * kGroupVectors + v);
  }
};

/// Codes of E2M1, which a table turns into twice their values.
struct DoubledE2m1 {
  static constexpr bool kSigned = true;
  template <int quad>
  static HWY_INLINE Bytes values(const std::byte* words, int v) {
    const auto table = hn::LoadDup128(U8(), reinterpret_cast<const std::uint8_t*>(model::kDoubledE2m1.data()));
    return hn::BitCast(U16(), hn::TableLookupBytes(table, hn::BitCast(U8(), Nibbles::values<quad>(words, v))));
  }
};

// --- Scales: made once for each block, then asked for those of a run, whose bytes begin at `bytes`. ---

/// A float16 for each block, and no minimum.
struct Scale {
  static constexpr int kScalesPerRun = 1;
  static constexpr bool kHasMinimum = false;
  HWY_INLINE Scale(const std::byte* halves, int v) : value(load_float16(halves, v)) {}
  template <int part>
  HWY_INLINE VF scale(const std::byte*, int) const {
    return value;
  }
  VF value;
};

/// The same for values of which `zero` stands for 0.
template <int zero>
struct ScaleAround : Scale {
  static constexpr bool kHasMinimum = true;
  HWY_INLINE ScaleAround(const std::byte* halves, int v) : Scale(halves, v) {}
  HWY_INLINE VF minimum(const std::byte*, int) const {
    return hn::Mul(value, hn::Set(F32(), -static_cast<float>(zero)));
  }
};

struct ScaleAndMinimum : Scale {
  static constexpr bool kHasMinimum = true;
  HWY_INLINE ScaleAndMinimum(const std::byte* halves, int v)
      : Scale(halves, v), smallest(load_float16(halves, kGroupVectors + v)) {}
  HWY_INLINE VF minimum(const std::byte*, int) const { return smallest; }
  VF smallest;
};

/// Q4_K and Q5_K: a small scale and a small minimum for each run, in units of the block.
struct SmallScaleAndMinimum {
  static constexpr int kScalesPerRun = 1;
  static constexpr bool kHasMinimum = true;
  HWY_INLINE SmallScaleAndMinimum(const std::byte* halves, int v)
      : unit(load_float16(halves, v)), negative_unit(hn::Neg(load_float16(halves, kGroupVectors + v))) {}
  template <int part>
  HWY_INLINE VF scale(const std::byte* bytes, int v) const {
    return hn::Mul(unit, hn::ConvertTo(F32(), load_byte<std::uint8_t>(bytes, v)));
  }
  HWY_INLINE VF minimum(const std::byte* bytes, int v) const {
    return hn::Mul(negative_unit, hn::ConvertTo(F32(), load_byte<std::uint8_t>(bytes, kGroupVectors + v)));
  }
  VF unit, negative_unit;
};

/// Q6_K: a small scale for each half of a run.
struct TwoSmallScales {
  static constexpr int kScalesPerRun = 2;
  static constexpr bool kHasMinimum = false;
  HWY_INLINE TwoSmallScales(const std::byte* halves, int v) : unit(load_float16(halves, v)) {}
  template <int part>
  HWY_INLINE VF scale(const std::byte* bytes, int v) const {
    return hn::Mul(unit, hn::ConvertTo(F32(), load_byte<std::int8_t>(bytes, part * kGroupVectors + v)));
  }
  VF unit;
};

/// MXFP4: the biased exponent of a power of two, halved because the values are doubled. (255, which is NaN, becomes
/// infinity; 0, which is 2^-127, becomes 0.)
struct Exponent {
  static constexpr int kScalesPerRun = 1;
  static constexpr bool kHasMinimum = false;
  HWY_INLINE Exponent(const std::byte*, int) {}
  template <int part>
  HWY_INLINE VF scale(const std::byte* bytes, int v) const {
    const auto power = hn::BitCast(F32(), hn::ShiftLeft<23>(load_byte<std::uint8_t>(bytes, v)));
    return hn::Mul(power, hn::Set(F32(), 0.5F));
  }
};

/// Values and scales of a packed type.
template <model::DataType kType, typename ValuesOfType, typename ScalesOfType>
struct Format {
  static constexpr PackedBlock kBlock = packed_block(kType);
  using Values = ValuesOfType;
  using Scales = ScalesOfType;
};

using Q4_0 = Format<model::DataType::kQ4_0, Nibbles, ScaleAround<8>>;
using Q4_1 = Format<model::DataType::kQ4_1, Nibbles, ScaleAndMinimum>;
using Q5_0 = Format<model::DataType::kQ5_0, FiveBits, ScaleAround<16>>;
using Q5_1 = Format<model::DataType::kQ5_1, FiveBits, ScaleAndMinimum>;
using Q8_0 = Format<model::DataType::kQ8_0, EightBits, Scale>;
using Q4K = Format<model::DataType::kQ4_K, Nibbles, SmallScaleAndMinimum>;
using Q5K = Format<model::DataType::kQ5_K, FiveBits, SmallScaleAndMinimum>;
using Q6K = Format<model::DataType::kQ6_K, SixBits, TwoSmallScales>;
using Mxfp4 = Format<model::DataType::kMxfp4, DoubledE2m1, Exponent>;

}  // namespace gpuinfer::backend::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
