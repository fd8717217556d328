// Products of 16-bit integers summed in pairs: the instruction that differs between machines. Included once per target.
// clang-format off: Highway's toggled include guard
#if defined(GPUINFER_RUNTIME_BACKEND_CPU_MULTIPLY_PAIRS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef GPUINFER_RUNTIME_BACKEND_CPU_MULTIPLY_PAIRS_INL
#undef GPUINFER_RUNTIME_BACKEND_CPU_MULTIPLY_PAIRS_INL
#else
#define GPUINFER_RUNTIME_BACKEND_CPU_MULTIPLY_PAIRS_INL
#endif
// clang-format on

#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gpuinfer::backend::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// A float, an int32 or a pair of int16 in each lane.
using F32 = hn::ScalableTag<float>;
using I32 = hn::Rebind<std::int32_t, F32>;
using I16 = hn::Repartition<std::int16_t, F32>;
using U16 = hn::Repartition<std::uint16_t, F32>;

/// The same pair in every lane.
HWY_INLINE hn::Vec<I16> broadcast_pair(const std::int16_t* pair) {
  std::int32_t bits;
  std::memcpy(&bits, pair, sizeof bits);
  return hn::BitCast(I16(), hn::Set(I32(), bits));
}

/// In each lane a[0]·b[0] + a[1]·b[1].
HWY_INLINE hn::Vec<I32> multiply_pairs(hn::Vec<I16> a, hn::Vec<I16> b) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return hn::Vec<I32>{_mm512_madd_epi16(a.raw, b.raw)};
#elif HWY_TARGET == HWY_AVX2
  return hn::Vec<I32>{_mm256_madd_epi16(a.raw, b.raw)};
#elif HWY_TARGET == HWY_SSE4
  return hn::Vec<I32>{_mm_madd_epi16(a.raw, b.raw)};
#else
  const auto first = [](hn::Vec<I16> v)
                         HWY_ATTR { return hn::ShiftRight<16>(hn::ShiftLeft<16>(hn::BitCast(I32(), v))); };
  const auto second = [](hn::Vec<I16> v) HWY_ATTR { return hn::ShiftRight<16>(hn::BitCast(I32(), v)); };
  return hn::Add(hn::Mul(first(a), first(b)), hn::Mul(second(a), second(b)));
#endif
}

}  // namespace gpuinfer::backend::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
