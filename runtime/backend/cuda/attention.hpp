// Attention over the pages of the KV cache, for the new tokens of all sequences in a batch.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/stream.hpp"

namespace gpuinfer::backend::cuda {

/// Positions that make up one segment of a sequence. Each segment has a softmax of its own; these are merged in order.
/// The cuts lie where they do for every query, so a query's bits are the same whether its token comes alone or in a
/// chunk, and whatever computes which segment.
inline constexpr std::int64_t kSegmentTokens = 128;

/// Queries that one warp takes together.
inline constexpr std::int64_t kTileQueries = 16;

/// A softmax that is not finished: of some scores, times log2(e), the largest, and the sum of all powers 2^(score -
/// largest). Without any score: -∞ and 0.
struct Softmax {
  float largest;
  float total;
};

/// The new tokens of one sequence.
struct AttentionSlice {
  std::int32_t first_token = 0;  ///< its place in the batch
  std::int32_t tokens = 0;
  std::int32_t position = 0;    ///< of the first token in its sequence
  std::int32_t page_table = 0;  ///< where its page table begins in Attention::page_tables
};

/// What one warp computes for each key/value head: some queries of a slice over a run of segments. Query q of a slice
/// and a key/value head is the one of token q / group and head q % group of the query heads that share it.
struct AttentionTile {
  /// Instead of a place for partial results: the run holds all that the queries see, the results are written at once.
  static constexpr std::int32_t kWhole = -1;

  std::int32_t slice = 0;
  std::int32_t first_query = 0;  ///< of kTileQueries, or as many as the slice has left
  std::int32_t first_segment = 0;
  std::int32_t end_segment = 0;   ///< not above the first: a tile that does nothing
  std::int32_t partial = kWhole;  ///< where the first segment's partial result is put; the others follow
};

/// For each token and query head, over the positions p up to its own that its window holds:
///     score[p] = scale · query · keys[p]
///     out = Σ exp(score[p]) · values[p] / (Σ exp(score[p]) + exp(sink))
/// with the exponentials relative to the largest score, and the sink of the head where the model has any (gpt-oss).
struct Attention {
  const Bfloat16* queries = nullptr;          ///< [tokens, heads, head_dim]
  const Bfloat16* keys = nullptr;             ///< [pages, kv_heads, kPageTokens, head_dim]
  const Bfloat16* values = nullptr;           ///< the same
  const float* sinks = nullptr;               ///< [heads], or null
  const AttentionSlice* slices = nullptr;     ///< of plan_attention()'s argument
  const std::int32_t* page_tables = nullptr;  ///< of all slices; kNoPage before the window of the first token
  const AttentionTile* tiles = nullptr;       ///< [tile_count], of plan_attention()
  const AttentionTile* merges = nullptr;      ///< [merge_count], of plan_attention()
  float* partial_sums = nullptr;              ///< [partials, kv_heads, kTileQueries, head_dim]
  Softmax* partial_softmaxes = nullptr;       ///< [partials, kv_heads, kTileQueries]
  Bfloat16* out = nullptr;                    ///< [tokens, heads, head_dim]
  std::int64_t tile_count = 0;
  std::int64_t merge_count = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t window = 0;  ///< positions that a query sees, its own included; 0: all of them
  float scale = 1;
};

/// Throws std::invalid_argument where head_dim is not 32, 64, 128 or 256, or heads not a multiple of kv_heads.
void attend(const Attention& step, Stream stream);

}  // namespace gpuinfer::backend::cuda
