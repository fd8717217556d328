// Attention for each instruction set.
#include "runtime/backend/cpu/attention.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

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

/// Elements of the cache, widened.
struct Float32 {
  static constexpr std::int64_t kBytes = 4;
  static HWY_INLINE VF load(const std::byte* elements, std::int64_t index) {
    return hn::LoadU(kF32, reinterpret_cast<const float*>(elements) + index);
  }
  static HWY_INLINE void store(VF value, std::byte* elements, std::int64_t index) {
    hn::StoreU(value, kF32, reinterpret_cast<float*>(elements) + index);
  }
};

struct Float16 {
  static constexpr std::int64_t kBytes = 2;
  static HWY_INLINE VF load(const std::byte* elements, std::int64_t index) {
    const hn::Rebind<hwy::float16_t, F32> d16;
    return hn::PromoteTo(kF32, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(elements) + index));
  }
  /// What is too large for 16 bits becomes the largest number: an infinity would make every score NaN.
  static HWY_INLINE void store(VF value, std::byte* elements, std::int64_t index) {
    const hn::Rebind<hwy::float16_t, F32> d16;
    const VF largest = hn::Set(kF32, 65504.0F);
    const VF clamped = hn::Max(hn::Neg(largest), hn::Min(value, largest));
    hn::StoreU(hn::DemoteTo(d16, clamped), d16, reinterpret_cast<hwy::float16_t*>(elements) + index);
  }
};

/// Tokens [begin, end) of a page count for a query.
struct Visible {
  std::int64_t begin, end;
};

/// Scores of H query heads against all tokens of a page.
template <typename Element, int H>
void score_page(const float* queries, std::int64_t head_dim, const std::byte* keys, VF (*scores)[kPageVectors]) {
  VF sums[H][kPageVectors];
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < kPageVectors; ++v) sums[h][v] = hn::Zero(kF32);
  }
  for (std::int64_t d = 0; d < head_dim; ++d, keys += kPageTokens * Element::kBytes) {
    for (int v = 0; v < kPageVectors; ++v) {
      const VF key = Element::load(keys, v * kLanes);
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
    hn::StoreU(hn::Mul(hn::LoadU(kF32, state.sum + d), factor), kF32, state.sum + d);
  }
}

/// sum += weights · values for H heads and V vectors of the head, tokens in order.
template <typename Element, int H, int V>
void add_values(const float (*weights)[kPageTokens], Visible visible, const std::byte* values,
                std::int64_t value_stride, std::int64_t d, State* states) {
  VF sums[H][V];
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < V; ++v) sums[h][v] = hn::LoadU(kF32, states[h].sum + d + v * kLanes);
  }
  for (std::int64_t token = visible.begin; token < visible.end; ++token) {
    for (int v = 0; v < V; ++v) {
      const VF value = Element::load(values, token * value_stride + d + v * kLanes);
      for (int h = 0; h < H; ++h) sums[h][v] = hn::MulAdd(value, hn::Set(kF32, weights[h][token]), sums[h][v]);
    }
  }
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < V; ++v) hn::StoreU(sums[h][v], kF32, states[h].sum + d + v * kLanes);
  }
}

/// One page for H query heads of one token.
template <typename Element, int H>
void visit_page(const AttentionTask& task, const float* queries, std::int64_t page, Visible visible, State* states) {
  const std::byte* const values = task.cache.values(task.layer, page, task.kv_head);
  const std::int64_t value_stride = task.cache.value_stride();
  VF scores[H][kPageVectors];
  score_page<Element, H>(queries, task.head_dim, task.cache.keys(task.layer, page, task.kv_head), scores);
  HWY_ALIGN float weights[H][kPageTokens];
  for (int h = 0; h < H; ++h) softmax_page(scores[h], visible, value_stride, states[h], weights[h]);

  constexpr int kVectors = 2;
  std::int64_t d = 0;
  for (; d + kVectors * kLanes <= value_stride; d += kVectors * kLanes) {
    add_values<Element, H, kVectors>(weights, visible, values, value_stride, d, states);
  }
  for (; d < value_stride; d += kLanes) add_values<Element, H, 1>(weights, visible, values, value_stride, d, states);
}

/// Heads in portions that registers hold.
template <typename Element>
void visit_page(const AttentionTask& task, const float* queries, std::int64_t page, Visible visible, State* states) {
  std::int64_t head = 0;
  for (; head + 4 <= task.heads; head += 4) {
    visit_page<Element, 4>(task, queries + head * task.head_dim, page, visible, states + head);
  }
  queries += head * task.head_dim;
  states += head;
  switch (task.heads - head) {
    case 3:
      return visit_page<Element, 3>(task, queries, page, visible, states);
    case 2:
      return visit_page<Element, 2>(task, queries, page, visible, states);
    case 1:
      return visit_page<Element, 1>(task, queries, page, visible, states);
    default:
      return;
  }
}

/// What `task`'s queries see of one segment, added to `states`, one for each token and head.
template <typename Element>
void visit_segment(const AttentionTask& task, std::int64_t segment, State* states) {
  const std::int64_t begin = std::max(task.first_visible(task.position), segment * kSegmentTokens);
  const std::int64_t end = std::min(task.position + task.tokens, (segment + 1) * kSegmentTokens);
  // Pages outside, queries inside: a page is read into the cache once for all of them.
  for (std::int64_t p = begin / kPageTokens; p * kPageTokens < end; ++p) {
    const std::int64_t page_begin = p * kPageTokens;
    for (std::int64_t t = 0; t < task.tokens; ++t) {
      const std::int64_t position = task.position + t;
      const Visible visible{std::max<std::int64_t>(0, task.first_visible(position) - page_begin),
                            std::min<std::int64_t>(kPageTokens, position + 1 - page_begin)};
      if (visible.begin >= visible.end) continue;
      visit_page<Element>(task, task.queries + t * task.query_stride, task.pages[static_cast<std::size_t>(p)], visible,
                          states + t * task.heads);
    }
  }
}

/// The softmaxes of all queries of a task.
class States {
 public:
  States(const AttentionTask& task, float* sums) : states_(static_cast<std::size_t>(task.tokens * task.heads)) {
    for (State& state : states_) {
      state.sum = sums;
      sums += task.cache.value_stride();
    }
  }

  /// Nothing seen.
  void clear(const AttentionTask& task) {
    for (State& state : states_) {
      state.largest = kMinusInfinity;
      state.total = 0;
      std::fill_n(state.sum, task.cache.value_stride(), 0.0F);
    }
  }

  void visit(const AttentionTask& task, std::int64_t segment) {
    if (task.cache.type() == KvType::kFloat16) {
      visit_segment<Float16>(task, segment, states_.data());
    } else {
      visit_segment<Float32>(task, segment, states_.data());
    }
  }

  /// What is not sums, to and from memory: the largest score and the total of each.
  void save(float* memory) const {
    for (const State& state : states_) {
      *memory++ = state.largest;
      *memory++ = state.total;
    }
  }
  void load(const float* memory) {
    for (State& state : states_) {
      state.largest = *memory++;
      state.total = *memory++;
    }
  }

  State& operator[](std::int64_t index) { return states_[static_cast<std::size_t>(index)]; }
  std::int64_t size() const { return static_cast<std::int64_t>(states_.size()); }

 private:
  std::vector<State> states_;
};

float exponential(float x) { return hn::GetLane(hn::Exp(kF32, hn::Set(kF32, x))); }

/// state = both softmaxes as one.
void merge(State& state, const State& other, std::int64_t value_stride) {
  if (other.largest == kMinusInfinity) return;
  const float largest = std::max(state.largest, other.largest);
  const float kept = state.largest == kMinusInfinity ? 0.0F : exponential(state.largest - largest);
  const float added = exponential(other.largest - largest);
  state.largest = largest;
  state.total = state.total * kept + other.total * added;
  for (std::int64_t d = 0; d < value_stride; d += kLanes) {
    const VF scaled = hn::Mul(hn::LoadU(kF32, other.sum + d), hn::Set(kF32, added));
    hn::StoreU(hn::MulAdd(hn::LoadU(kF32, state.sum + d), hn::Set(kF32, kept), scaled), kF32, state.sum + d);
  }
}

/// The softmaxes of whole sequences, from those of their segments.
class Merger {
 public:
  Merger(const AttentionTask& task, float* sums) : task_(task), states_(task, sums) {
    states_.clear(task);
    for (std::int64_t i = 0; task.sinks != nullptr && i < states_.size(); ++i) {
      states_[i].largest = task.sinks[i % task.heads];
      states_[i].total = 1;
    }
  }

  void add(States& segment) {
    for (std::int64_t i = 0; i < states_.size(); ++i) merge(states_[i], segment[i], task_.cache.value_stride());
  }

  void finish() {
    for (std::int64_t i = 0; i < states_.size(); ++i) {
      float* const out = task_.out + i / task_.heads * task_.out_stride + i % task_.heads * task_.head_dim;
      const float inverse = 1 / states_[i].total;
      for (std::int64_t d = 0; d < task_.head_dim; ++d) out[d] = states_[i].sum[d] * inverse;
    }
  }

 private:
  const AttentionTask& task_;
  States states_;
};

/// Memory of this thread for `count` floats.
float* scratch(std::int64_t count) {
  static thread_local std::vector<float> memory;
  if (memory.size() < static_cast<std::size_t>(count)) memory.resize(static_cast<std::size_t>(count));
  return memory.data();
}

std::int64_t count_sums(const AttentionTask& task) { return task.tokens * task.heads * task.cache.value_stride(); }

void attention_on_target(const AttentionTask& task) {
  float* const memory = scratch(2 * count_sums(task));
  Merger merger(task, memory);
  States states(task, memory + count_sums(task));
  for (std::int64_t segment = task.first_segment(); segment < task.end_segment(); ++segment) {
    states.clear(task);
    states.visit(task, segment);
    merger.add(states);
  }
  merger.finish();
}

void attention_segment_on_target(const AttentionTask& task, std::int64_t segment, float* partial) {
  States states(task, partial);
  states.clear(task);
  states.visit(task, segment);
  states.save(partial + count_sums(task));
}

void merge_segments_on_target(const AttentionTask& task, float* partials) {
  Merger merger(task, scratch(count_sums(task)));
  for (std::int64_t segment = task.first_segment(); segment < task.end_segment(); ++segment) {
    States states(task, partials);
    states.load(partials + count_sums(task));
    merger.add(states);
    partials += task.partial_floats();
  }
  merger.finish();
}

/// Writes `size` floats as elements, in whole vectors.
template <typename Element>
void convert(const float* from, std::int64_t size, std::byte* to) {
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) Element::store(hn::LoadU(kF32, from + i), to, i);
  if (i == size) return;
  HWY_ALIGN float last[kLanes] = {};
  std::copy(from + i, from + size, last);
  Element::store(hn::Load(kF32, last), to, i);
}

template <typename Element>
void store_key_value(KvCache& cache, const KvSlot& slot, std::span<const float> key, const float* value) {
  const auto head_dim = static_cast<std::int64_t>(key.size());
  auto* const converted = reinterpret_cast<std::byte*>(scratch(cache.value_stride()));
  convert<Element>(key.data(), head_dim, converted);
  std::byte* column = cache.keys(slot.layer, slot.page, slot.kv_head) + slot.token * Element::kBytes;
  for (std::int64_t d = 0; d < head_dim; ++d, column += kPageTokens * Element::kBytes) {
    std::copy_n(converted + d * Element::kBytes, Element::kBytes, column);
  }
  convert<Element>(
      value, head_dim,
      cache.values(slot.layer, slot.page, slot.kv_head) + slot.token * cache.value_stride() * Element::kBytes);
}

void store_key_value_on_target(KvCache& cache, const KvSlot& slot, std::span<const float> key, const float* value) {
  if (cache.type() == KvType::kFloat16) {
    store_key_value<Float16>(cache, slot, key, value);
  } else {
    store_key_value<Float32>(cache, slot, key, value);
  }
}

}  // namespace
}  // namespace gpuinfer::backend::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpuinfer::backend {

HWY_EXPORT(attention_on_target);
HWY_EXPORT(attention_segment_on_target);
HWY_EXPORT(merge_segments_on_target);
HWY_EXPORT(store_key_value_on_target);

void attention(const AttentionTask& task) { HWY_DYNAMIC_DISPATCH(attention_on_target)(task); }

void attention_segment(const AttentionTask& task, std::int64_t segment, float* partial) {
  HWY_DYNAMIC_DISPATCH(attention_segment_on_target)(task, segment, partial);
}

void merge_segments(const AttentionTask& task, float* partials) {
  HWY_DYNAMIC_DISPATCH(merge_segments_on_target)(task, partials);
}

void store_key_value(KvCache& cache, const KvSlot& slot, std::span<const float> key, const float* value) {
  HWY_DYNAMIC_DISPATCH(store_key_value_on_target)(cache, slot, key, value);
}

}  // namespace gpuinfer::backend
#endif
