// Attention for each instruction set.
#include "runtime/backend/cpu/attention.hpp"

#include <algorithm>
#include <limits>

#include "hwy/aligned_allocator.h"
#include "runtime/backend/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/backend/cpu/attention.cpp"
#include "hwy/foreach_target.h"  // before the headers that follow

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gpuinfer::backend::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using F32 = hn::ScalableTag<float>;
using VF = hn::Vec<F32>;
constexpr F32 kF32;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(kF32));
/// Vectors that hold one value for each token of a page.
constexpr int kPageVectors = static_cast<int>(kPageTokens) / kLanes;
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

/// A softmax under way for one query head: the largest score so far, and relative to it the sum of the exponentials and
/// the weighted sum of the values.
struct State {
  float largest = kMinusInfinity;
  float total = 0;
  float* sum = nullptr;  ///< [value_stride]
};

/// Tokens [begin, end) of a page count for a query.
struct Visible {
  std::int64_t begin, end;
};

/// Scores of H query heads against all tokens of a page.
template <int H>
void score_page(const float* queries, std::int64_t head_dim, const float* keys, VF (*scores)[kPageVectors]) {
  VF sums[H][kPageVectors];
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < kPageVectors; ++v) sums[h][v] = hn::Zero(kF32);
  }
  for (std::int64_t d = 0; d < head_dim; ++d, keys += kPageTokens) {
    for (int v = 0; v < kPageVectors; ++v) {
      const VF key = hn::Load(kF32, keys + v * kLanes);
      for (int h = 0; h < H; ++h) {
        sums[h][v] = hn::MulAdd(key, hn::Set(kF32, queries[h * head_dim + d]), sums[h][v]);
      }
    }
  }
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < kPageVectors; ++v) scores[h][v] = sums[h][v];
  }
}

/// Turns scores into weights, and rescales the state to a new largest score; invisible tokens weigh nothing.
void softmax_page(const VF* scores, Visible visible, std::int64_t value_stride, State& state, float* weights) {
  const VF minus_infinity = hn::Set(kF32, kMinusInfinity);
  const VF begin = hn::Set(kF32, static_cast<float>(visible.begin));
  const VF end = hn::Set(kF32, static_cast<float>(visible.end));
  VF masked[kPageVectors];
  VF largest = hn::Set(kF32, state.largest);
  for (int v = 0; v < kPageVectors; ++v) {
    const VF token = hn::Iota(kF32, static_cast<float>(v * kLanes));
    const auto seen = hn::And(hn::Ge(token, begin), hn::Lt(token, end));
    masked[v] = hn::IfThenElse(seen, scores[v], minus_infinity);
    largest = hn::Max(largest, masked[v]);
  }
  largest = hn::MaxOfLanes(kF32, largest);

  VF total = hn::Zero(kF32);
  for (int v = 0; v < kPageVectors; ++v) {
    // Exp() wants arguments that are finite; masked ones become an exact zero.
    const auto seen = hn::Gt(masked[v], minus_infinity);
    const VF difference = hn::IfThenElseZero(seen, hn::Sub(masked[v], largest));
    const VF weight = hn::IfThenElseZero(seen, hn::Exp(kF32, difference));
    hn::Store(weight, kF32, weights + v * kLanes);
    total = hn::Add(total, weight);
  }
  const float new_largest = hn::GetLane(largest);
  const float page_total = hn::GetLane(hn::SumOfLanes(kF32, total));
  if (new_largest == state.largest) {
    state.total += page_total;
    return;
  }
  const float kept =
      state.largest == kMinusInfinity ? 0.0F : hn::GetLane(hn::Exp(kF32, hn::Set(kF32, state.largest - new_largest)));
  state.largest = new_largest;
  state.total = state.total * kept + page_total;
  const VF factor = hn::Set(kF32, kept);
  for (std::int64_t d = 0; d < value_stride; d += kLanes) {
    hn::Store(hn::Mul(hn::Load(kF32, state.sum + d), factor), kF32, state.sum + d);
  }
}

/// sum += weights · values for H heads and V vectors of the head, tokens in order.
template <int H, int V>
void add_values(const float (*weights)[kPageTokens], Visible visible, const float* values, std::int64_t value_stride,
                std::int64_t d, State* states) {
  VF sums[H][V];
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < V; ++v) sums[h][v] = hn::Load(kF32, states[h].sum + d + v * kLanes);
  }
  for (std::int64_t token = visible.begin; token < visible.end; ++token) {
    for (int v = 0; v < V; ++v) {
      const VF value = hn::Load(kF32, values + token * value_stride + d + v * kLanes);
      for (int h = 0; h < H; ++h) sums[h][v] = hn::MulAdd(value, hn::Set(kF32, weights[h][token]), sums[h][v]);
    }
  }
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < V; ++v) hn::Store(sums[h][v], kF32, states[h].sum + d + v * kLanes);
  }
}

/// One page for H query heads of one token.
template <int H>
void visit_page(const AttentionTask& task, const float* queries, std::int64_t page, Visible visible, State* states) {
  const float* const values = task.cache.values(task.layer, page, task.kv_head);
  const std::int64_t value_stride = task.cache.value_stride();
  VF scores[H][kPageVectors];
  score_page<H>(queries, task.head_dim, task.cache.keys(task.layer, page, task.kv_head), scores);
  HWY_ALIGN float weights[H][kPageTokens];
  for (int h = 0; h < H; ++h) softmax_page(scores[h], visible, value_stride, states[h], weights[h]);

  constexpr int kVectors = 2;
  std::int64_t d = 0;
  for (; d + kVectors * kLanes <= value_stride; d += kVectors * kLanes) {
    add_values<H, kVectors>(weights, visible, values, value_stride, d, states);
  }
  for (; d < value_stride; d += kLanes) add_values<H, 1>(weights, visible, values, value_stride, d, states);
}

/// Heads in portions that registers hold.
void visit_page(const AttentionTask& task, const float* queries, std::int64_t page, Visible visible, State* states) {
  std::int64_t head = 0;
  for (; head + 4 <= task.heads; head += 4) {
    visit_page<4>(task, queries + head * task.head_dim, page, visible, states + head);
  }
  queries += head * task.head_dim;
  states += head;
  switch (task.heads - head) {
    case 3:
      return visit_page<3>(task, queries, page, visible, states);
    case 2:
      return visit_page<2>(task, queries, page, visible, states);
    case 1:
      return visit_page<1>(task, queries, page, visible, states);
    default:
      return;
  }
}

/// The first position that the query at `position` sees.
std::int64_t first_visible(const AttentionTask& task, std::int64_t position) {
  return task.sliding_window ? std::max<std::int64_t>(0, position + 1 - *task.sliding_window) : 0;
}

void attention_on_target(const AttentionTask& task) {
  const std::int64_t value_stride = task.cache.value_stride();
  const std::int64_t count = task.tokens * task.heads;
  static thread_local hwy::AlignedFreeUniquePtr<float[]> sums;
  static thread_local std::int64_t capacity = 0;
  if (capacity < count * value_stride) {
    capacity = count * value_stride;
    sums = hwy::AllocateAligned<float>(static_cast<std::size_t>(capacity));
  }
  std::fill_n(sums.get(), count * value_stride, 0.0F);
  std::vector<State> states(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    State& state = states[static_cast<std::size_t>(i)];
    state.sum = sums.get() + i * value_stride;
    if (task.sinks == nullptr) continue;
    state.largest = task.sinks[i % task.heads];
    state.total = 1;
  }

  // Pages outside, queries inside: a page is read into the cache once for all of them.
  const std::int64_t last = task.position + task.tokens - 1;
  for (std::int64_t p = first_visible(task, task.position) / kPageTokens; p <= last / kPageTokens; ++p) {
    const std::int64_t page_begin = p * kPageTokens;
    for (std::int64_t t = 0; t < task.tokens; ++t) {
      const std::int64_t position = task.position + t;
      const Visible visible{std::max<std::int64_t>(0, first_visible(task, position) - page_begin),
                            std::min<std::int64_t>(kPageTokens, position + 1 - page_begin)};
      if (visible.begin >= visible.end) continue;
      visit_page(task, task.queries + t * task.query_stride, task.pages[static_cast<std::size_t>(p)], visible,
                 &states[static_cast<std::size_t>(t * task.heads)]);
    }
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const State& state = states[static_cast<std::size_t>(i)];
    float* const out = task.out + i / task.heads * task.out_stride + i % task.heads * task.head_dim;
    const float inverse = 1 / state.total;
    for (std::int64_t d = 0; d < task.head_dim; ++d) out[d] = state.sum[d] * inverse;
  }
}

}  // namespace
}  // namespace gpuinfer::backend::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpuinfer::backend {

HWY_EXPORT(attention_on_target);

void attention(const AttentionTask& task) { HWY_DYNAMIC_DISPATCH(attention_on_target)(task); }

}  // namespace gpuinfer::backend
#endif
