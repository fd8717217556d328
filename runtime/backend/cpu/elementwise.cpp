// Norm, quantisation, activation and rotation for each instruction set.
#include "runtime/backend/cpu/elementwise.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/backend/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/backend/cpu/elementwise.cpp"
#include "hwy/foreach_target.h"  // before the headers that follow

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gpuinfer::backend::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using F32 = hn::ScalableTag<float>;
using I32 = hn::Rebind<std::int32_t, F32>;
using VF = hn::Vec<F32>;
constexpr F32 kF32;
constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(kF32));

void rms_norm_on_target(std::span<const float> x, const float* weight, float epsilon, float* out) {
  const auto size = static_cast<std::int64_t>(x.size());
  auto squares = hn::Zero(kF32);
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    const auto value = hn::LoadU(kF32, x.data() + i);
    squares = hn::MulAdd(value, value, squares);
  }
  float total = hn::GetLane(hn::SumOfLanes(kF32, squares));
  for (std::int64_t j = i; j < size; ++j) total += x[j] * x[j];

  const float scale = 1 / std::sqrt(total / static_cast<float>(size) + epsilon);
  const auto scales = hn::Set(kF32, scale);
  for (i = 0; i + kLanes <= size; i += kLanes) {
    const auto scaled = hn::Mul(hn::LoadU(kF32, x.data() + i), scales);
    hn::StoreU(hn::Mul(scaled, hn::LoadU(kF32, weight + i)), kF32, out + i);
  }
  for (; i < size; ++i) out[i] = x[i] * scale * weight[i];
}

/// Exchanges the two in the middle of every four lanes: the order of Activations::values().
hn::Vec<I32> exchange_middle(hn::Vec<I32> lanes) {
  alignas(16) static constexpr std::uint8_t kOrder[16] = {0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15};
  const hn::Repartition<std::uint8_t, I32> u8;
  return hn::BitCast(I32(), hn::TableLookupBytes(hn::BitCast(u8, lanes), hn::LoadDup128(u8, kOrder)));
}

void quantize_on_target(Activations& activations, std::int64_t token) {
  constexpr std::int64_t kBlock = model::kQuantizedBlockElements;
  constexpr float kLargestValue = 32767;
  const hn::Rebind<std::int16_t, F32> i16;
  for (std::int64_t b = 0; b < activations.blocks(); ++b) {
    const float* x = activations.floats(token) + b * kBlock;
    std::int16_t* values = activations.values(token) + b * kBlock;
    auto magnitude = hn::Zero(kF32);
    for (std::int64_t i = 0; i < kBlock; i += kLanes) {
      magnitude = hn::Max(magnitude, hn::Abs(hn::LoadU(kF32, x + i)));
    }
    const float largest = hn::GetLane(hn::MaxOfLanes(kF32, magnitude));
    const auto inverse = hn::Set(kF32, largest > 0 ? kLargestValue / largest : 0.0F);
    auto sum = hn::Zero(I32());
    for (std::int64_t i = 0; i < kBlock; i += kLanes) {
      const auto rounded = hn::NearestInt(hn::Mul(hn::LoadU(kF32, x + i), inverse));
      sum = hn::Add(sum, rounded);
      hn::StoreU(hn::DemoteTo(i16, exchange_middle(rounded)), i16, values + i);
    }
    const float scale = largest / kLargestValue;
    activations.scales(token)[b] = scale;
    activations.sums(token)[b] = scale * static_cast<float>(hn::GetLane(hn::SumOfLanes(I32(), sum)));
  }
}

/// value · sigmoid(x).
VF times_sigmoid(VF value, VF x) {
  const VF largest_exponent = hn::Set(kF32, 88.0F);  // e^89 is not a float32
  return hn::Div(value, hn::Add(hn::Set(kF32, 1.0F), hn::Exp(kF32, hn::Min(hn::Neg(x), largest_exponent))));
}

struct Silu {
  VF operator()(VF gate, VF up) const { return hn::Mul(times_sigmoid(gate, gate), up); }
};

struct GeluTanh {
  /// (1 + tanh z) / 2 = sigmoid(2z) for z = √(2/π) · (gate + 0.044715 · gate³).
  VF operator()(VF gate, VF up) const {
    const VF cubic = hn::MulAdd(hn::Mul(gate, gate), hn::Set(kF32, 0.044715F), hn::Set(kF32, 1.0F));
    const VF z2 = hn::Mul(hn::Mul(gate, cubic), hn::Set(kF32, 1.5957691216F));
    return hn::Mul(times_sigmoid(gate, z2), up);
  }
};

struct ClampedSwiglu {
  float limit;
  VF operator()(VF gate, VF up) const {
    const VF largest = hn::Set(kF32, limit);
    const VF g = hn::Min(gate, largest);
    const VF u = hn::Max(hn::Min(up, largest), hn::Neg(largest));
    return hn::Mul(times_sigmoid(g, hn::Mul(g, hn::Set(kF32, 1.702F))), hn::Add(u, hn::Set(kF32, 1.0F)));
  }
};

template <typename Function>
void activate_all(const Function& function, const float* gate, const float* up, std::span<float> out) {
  const auto size = static_cast<std::int64_t>(out.size());
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    hn::StoreU(function(hn::LoadU(kF32, gate + i), hn::LoadU(kF32, up + i)), kF32, out.data() + i);
  }
  if (i == size) return;
  HWY_ALIGN float last_gate[kLanes] = {};
  HWY_ALIGN float last_up[kLanes] = {};
  std::copy(gate + i, gate + size, last_gate);
  std::copy(up + i, up + size, last_up);
  hn::Store(function(hn::Load(kF32, last_gate), hn::Load(kF32, last_up)), kF32, last_gate);
  std::copy_n(last_gate, size - i, out.data() + i);
}

void activate_on_target(model::Activation activation, float limit, const float* gate, const float* up,
                        std::span<float> out) {
  switch (activation) {
    case model::Activation::kSilu:
      return activate_all(Silu(), gate, up, out);
    case model::Activation::kGeluTanh:
      return activate_all(GeluTanh(), gate, up, out);
    case model::Activation::kClampedSwiglu:
      return activate_all(ClampedSwiglu{limit}, gate, up, out);
  }
}

void add_on_target(std::span<float> x, const float* y, float factor) {
  const auto size = static_cast<std::int64_t>(x.size());
  const VF factors = hn::Set(kF32, factor);
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    hn::StoreU(hn::MulAdd(hn::LoadU(kF32, y + i), factors, hn::LoadU(kF32, x.data() + i)), kF32, x.data() + i);
  }
  for (; i < size; ++i) x[i] += y[i] * factor;
}

void rope_on_target(std::span<float> head, const float* cosines, const float* sines, float scale) {
  const auto half = static_cast<std::int64_t>(head.size() / 2);
  float* const first = head.data();
  float* const second = first + half;
  const auto scales = hn::Set(kF32, scale);
  std::int64_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    const auto a = hn::Mul(hn::LoadU(kF32, first + i), scales);
    const auto b = hn::Mul(hn::LoadU(kF32, second + i), scales);
    const auto cosine = hn::LoadU(kF32, cosines + i);
    const auto sine = hn::LoadU(kF32, sines + i);
    hn::StoreU(hn::NegMulAdd(b, sine, hn::Mul(a, cosine)), kF32, first + i);
    hn::StoreU(hn::MulAdd(a, sine, hn::Mul(b, cosine)), kF32, second + i);
  }
  for (; i < half; ++i) {
    const float a = first[i] * scale;
    const float b = second[i] * scale;
    first[i] = a * cosines[i] - b * sines[i];
    second[i] = b * cosines[i] + a * sines[i];
  }
}

}  // namespace
}  // namespace gpuinfer::backend::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpuinfer::backend {

HWY_EXPORT(rms_norm_on_target);
HWY_EXPORT(quantize_on_target);
HWY_EXPORT(activate_on_target);
HWY_EXPORT(add_on_target);
HWY_EXPORT(rope_on_target);

void rms_norm(std::span<const float> x, const float* weight, float epsilon, float* out) {
  HWY_DYNAMIC_DISPATCH(rms_norm_on_target)(x, weight, epsilon, out);
}

void quantize(Activations& x, std::int64_t token) { HWY_DYNAMIC_DISPATCH(quantize_on_target)(x, token); }

void activate(model::Activation activation, float limit, const float* gate, const float* up, std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(activate_on_target)(activation, limit, gate, up, out);
}

void add(std::span<float> x, const float* y, float factor) { HWY_DYNAMIC_DISPATCH(add_on_target)(x, y, factor); }

void rope(std::span<float> head, const float* cosines, const float* sines, float scale) {
  HWY_DYNAMIC_DISPATCH(rope_on_target)(head, cosines, sines, scale);
}

}  // namespace gpuinfer::backend
#endif
