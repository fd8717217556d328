// Attention of a few tokens of one sequence over its pages.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "runtime/backend/cpu/kv_cache.hpp"

namespace gpuinfer::backend {

/// Positions that make up one segment of a sequence. Each segment has a softmax of its own; these are merged in order.
/// The cuts lie where they do for every query, so results do not depend on which thread computes what.
inline constexpr std::int64_t kSegmentTokens = 16 * kPageTokens;

/// The query heads that share one key/value head, for consecutive tokens of one slice.
struct AttentionTask {
  KvCache& cache;
  std::int64_t layer;
  std::int64_t kv_head;
  std::int64_t head_dim;
  /// Query heads for each key/value head.
  std::int64_t heads;
  std::optional<std::int64_t> sliding_window;
  /// For each of these heads a score in the softmax that has no value; null: none.
  const float* sinks;
  /// The sequence's page table.
  PageTable pages;
  /// Position of the first token, and how many follow.
  std::int64_t position;
  std::int64_t tokens;
  /// Queries after RoPE, already divided by √head_dim: those of token t begin at t · query_stride, [heads, head_dim].
  const float* queries;
  std::int64_t query_stride;
  /// Results: those of token t begin at t · out_stride, [heads, head_dim].
  float* out;
  std::int64_t out_stride;

  /// The segments that its queries see: [first_segment(), end_segment()).
  std::int64_t first_segment() const { return first_visible(position) / kSegmentTokens; }
  std::int64_t end_segment() const { return (position + tokens - 1) / kSegmentTokens + 1; }
  /// The first position that the query at `at` sees.
  std::int64_t first_visible(std::int64_t at) const {
    return sliding_window && at >= *sliding_window ? at + 1 - *sliding_window : 0;
  }

  /// Floats that hold the unfinished softmax of one segment for all queries: for each token and head value_stride()
  /// sums, the largest score and the total.
  std::int64_t partial_floats() const { return tokens * heads * (cache.value_stride() + 2); }
};

/// Where the key and the value of one head of a token lie.
struct KvSlot {
  std::int64_t layer;
  std::int64_t page;
  std::int64_t kv_head;
  std::int64_t token;  ///< in the page
};

/// Puts the key and the value ([head_dim] each) of one token's head into its place.
void store_key_value(KvCache& cache, const KvSlot& slot, std::span<const float> key, const float* value);

/// softmax(q·kᵀ)·v with an online softmax (Milakov and Gimelshein, 2018): pages are visited in the order of the
/// sequence, and what one query computes does not depend on the queries beside it.
void attention(const AttentionTask& task);

/// The same in two steps that give the same bits: every segment by itself into partial_floats(), then their merger;
/// `partials` begins with the one of first_segment().
void attention_segment(const AttentionTask& task, std::int64_t segment, float* partial);
void merge_segments(const AttentionTask& task, float* partials);

}  // namespace gpuinfer::backend
