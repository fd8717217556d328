// Products of bytes summed by fours: the instructions that differ between machines. Included once per target.
// clang-format off: Highway's toggled include guard
#if defined(GPUINFER_RUNTIME_BACKEND_CPU_DOT4_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef GPUINFER_RUNTIME_BACKEND_CPU_DOT4_INL
#undef GPUINFER_RUNTIME_BACKEND_CPU_DOT4_INL
#else
#define GPUINFER_RUNTIME_BACKEND_CPU_DOT4_INL
#endif
// clang-format on

#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gpuinfer::backend::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// One float or int32 lane for each row; four bytes or two int16 share a lane.
using F32 = hn::ScalableTag<float>;
using I32 = hn::Rebind<std::int32_t, F32>;
using I16 = hn::Repartition<std::int16_t, F32>;
using U16 = hn::Repartition<std::uint16_t, F32>;
using I8 = hn::Repartition<std::int8_t, F32>;
using U8 = hn::Repartition<std::uint8_t, F32>;

/// The same four activations in every lane.
HWY_INLINE hn::Vec<I8> broadcast4(const std::int8_t* four) {
  std::int32_t bits;
  std::memcpy(&bits, four, sizeof bits);
  return hn::BitCast(I8(), hn::Set(I32(), bits));
}

/// In each int16 the sum of two products of an unsigned and a signed byte. The caller knows that it fits.
HWY_INLINE hn::Vec<I16> multiply_pairs(hn::Vec<U8> u, hn::Vec<I8> s) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return hn::Vec<I16>{_mm512_maddubs_epi16(u.raw, s.raw)};
#elif HWY_TARGET == HWY_AVX2
  return hn::Vec<I16>{_mm256_maddubs_epi16(u.raw, s.raw)};
#elif HWY_TARGET == HWY_SSE4
  return hn::Vec<I16>{_mm_maddubs_epi16(u.raw, s.raw)};
#else
  const auto u16 = hn::BitCast(U16(), u);
  const auto s16 = hn::BitCast(I16(), s);
  const auto even =
      hn::Mul(hn::BitCast(I16(), hn::And(u16, hn::Set(U16(), 255))), hn::ShiftRight<8>(hn::ShiftLeft<8>(s16)));
  const auto odd = hn::Mul(hn::BitCast(I16(), hn::ShiftRight<8>(u16)), hn::ShiftRight<8>(s16));
  return hn::Add(even, odd);
#endif
}

/// In each int32 the sum of its two int16.
HWY_INLINE hn::Vec<I32> add_pairs(hn::Vec<I16> v) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return hn::Vec<I32>{_mm512_madd_epi16(v.raw, hn::Set(I16(), 1).raw)};
#elif HWY_TARGET == HWY_AVX2
  return hn::Vec<I32>{_mm256_madd_epi16(v.raw, hn::Set(I16(), 1).raw)};
#elif HWY_TARGET == HWY_SSE4
  return hn::Vec<I32>{_mm_madd_epi16(v.raw, hn::Set(I16(), 1).raw)};
#else
  const auto v32 = hn::BitCast(I32(), v);
  return hn::Add(hn::ShiftRight<16>(hn::ShiftLeft<16>(v32)), hn::ShiftRight<16>(v32));
#endif
}

/// s with the sign of `sign` multiplied in: -s, 0 or s.
HWY_INLINE hn::Vec<I8> apply_sign(hn::Vec<I8> s, hn::Vec<I8> sign) {
#if HWY_TARGET == HWY_AVX2
  return hn::Vec<I8>{_mm256_sign_epi8(s.raw, sign.raw)};
#elif HWY_TARGET == HWY_SSE4
  return hn::Vec<I8>{_mm_sign_epi8(s.raw, sign.raw)};
#else
  return hn::IfThenElse(hn::Lt(sign, hn::Zero(I8())), hn::Neg(s), s);
#endif
}

}  // namespace gpuinfer::backend::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
