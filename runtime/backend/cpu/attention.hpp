// Attention of a few tokens of one sequence over its pages.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/backend/cpu/kv_cache.hpp"

namespace gpuinfer::backend {

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
  std::span<const std::int32_t> pages;
  /// Position of the first token, and how many follow.
  std::int64_t position;
  std::int64_t tokens;
  /// Queries after RoPE, already divided by √head_dim: those of token t begin at t · query_stride, [heads, head_dim].
  const float* queries;
  std::int64_t query_stride;
  /// Results: those of token t begin at t · out_stride, [heads, head_dim].
  float* out;
  std::int64_t out_stride;
};

/// softmax(q·kᵀ)·v with an online softmax (Milakov and Gimelshein, 2018): pages are visited in the order of the
/// sequence, and what one query computes does not depend on the queries beside it.
void attention(const AttentionTask& task);

}  // namespace gpuinfer::backend
