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

/// Keeps the compiler from adding up products before it adds them to a sum: GCC 12 then needs more registers than there
/// are.
HWY_INLINE hn::Vec<I32> in_this_order(hn::Vec<I32> sum) {
#if HWY_ARCH_X86
  asm("" : "+v"(sum.raw));
#endif
  return sum;
}

/// The same pair in every lane.
HWY_INLINE hn::Vec<I16> broadcast_pair(const std::int16_t* pair) {
  std::int32_t bits;
  std::memcpy(&bits, pair, sizeof bits);
  return hn::BitCast(I16(), hn::Set(I32(), bits));
}

/// sum + a[0]·b[0] + a[1]·b[1] in each lane.
HWY_INLINE hn::Vec<I32> add_products(hn::Vec<I32> sum, hn::Vec<I16> a, hn::Vec<I16> b) {
#if HWY_TARGET == HWY_AVX3_DL
  // Highway 1.0 asks the CPU for AVX512_VNNI but does not tell the compiler.
  asm("vpdpwssd %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
  return sum;
#elif HWY_TARGET == HWY_AVX3
  return in_this_order(hn::Add(sum, hn::Vec<I32>{_mm512_madd_epi16(a.raw, b.raw)}));
#elif HWY_TARGET == HWY_AVX2
  return in_this_order(hn::Add(sum, hn::Vec<I32>{_mm256_madd_epi16(a.raw, b.raw)}));
#elif HWY_TARGET == HWY_SSE4
  return in_this_order(hn::Add(sum, hn::Vec<I32>{_mm_madd_epi16(a.raw, b.raw)}));
#else
  const auto first = [](hn::Vec<I16> v)
                         HWY_ATTR { return hn::ShiftRight<16>(hn::ShiftLeft<16>(hn::BitCast(I32(), v))); };
  const auto second = [](hn::Vec<I16> v) HWY_ATTR { return hn::ShiftRight<16>(hn::BitCast(I32(), v)); };
  return hn::Add(hn::Mul(first(a), first(b)), hn::Add(hn::Mul(second(a), second(b)), sum));
#endif
}

}  // namespace gpuinfer::backend::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
