// What one warp does for a tile of queries and one segment of their sequence: scores, their softmax, weighted values,
// on tensor cores and without shared memory.
//
// What lies where follows from ptx/mma.cuh: lane 4·g + t has rows g and g + 8 of the queries, the scores and the sums,
// and of each row the columns that t stands for. A sum over k may take its elements in any order, and the columns of
// the values may lie in any, so that a lane loads 16 bytes of a key or a value at a time and uses them as they come.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "runtime/backend/backend.hpp"
#include "runtime/backend/cuda/attention.hpp"
#include "runtime/backend/cuda/bfloat16.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/memory.cuh"
#include "runtime/backend/cuda/ptx/mma.cuh"
#include "runtime/backend/cuda/ptx/warp.cuh"
#include "runtime/backend/cuda/softmax.cuh"

namespace gpuinfer::backend::cuda {

inline constexpr int kPageLength = static_cast<int>(kPageTokens);
inline constexpr int kSegmentLength = static_cast<int>(kSegmentTokens);
inline constexpr int kPages = kSegmentLength / kPageLength;
inline constexpr int kQueries = static_cast<int>(kTileQueries);
/// Rows of a tile that a lane has a part of, and how far they are apart.
inline constexpr int kRows = 2;
inline constexpr int kRowStep = 8;
/// What 16 bytes hold, and how many lanes share a row of keys or a row of values.
inline constexpr int kLoadDims = 8;
inline constexpr int kKeyLanes = 4;
inline constexpr int kValueLanes = 8;
inline constexpr int kKeyDims = kKeyLanes * kLoadDims;
inline constexpr int kValueDims = kValueLanes * kLoadDims;

/// One query of a tile.
struct Query {
  int row;    ///< in Attention::queries and out
  int first;  ///< position that it sees
  int last;   ///< its own position
};

GPU_DEVICE Query query_of(const Attention& step, const AttentionSlice& slice, int kv_head, int index) {
  const int group = static_cast<int>(step.heads / step.kv_heads);
  const int token = index / group;
  const int head = kv_head * group + index % group;
  const int position = slice.position + token;
  const int window = static_cast<int>(step.window);
  return {.row = (slice.first_token + token) * static_cast<int>(step.heads) + head,
          .first = window > 0 && position >= window ? position + 1 - window : 0,
          .last = position};
}

GPU_DEVICE bool sees(const Query& query, int position) { return position >= query.first && position <= query.last; }

/// The tile that a warp works on.
struct Tile {
  int kv_head;
  const std::int32_t* page_table;
  int first;  ///< position that any of its queries sees
  int last;
  Query queries[kRows];  ///< the lane's; where the tile has no such row, its last
  bool exists[kRows];
};

GPU_DEVICE Tile tile_of(const Attention& step, const AttentionTile& tile, int kv_head) {
  const AttentionSlice slice = step.slices[tile.slice];
  const int queries = slice.tokens * static_cast<int>(step.heads / step.kv_heads);
  const int last = (tile.first_query + kQueries < queries ? tile.first_query + kQueries : queries) - 1;
  Tile result{.kv_head = kv_head,
              .page_table = step.page_tables + slice.page_table,
              .first = query_of(step, slice, kv_head, tile.first_query).first,
              .last = query_of(step, slice, kv_head, last).last,
              .queries = {},
              .exists = {}};
  for (int i = 0; i < kRows; ++i) {
    const int index = tile.first_query + ptx::lane_index() / kKeyLanes + i * kRowStep;
    result.exists[i] = index <= last;
    result.queries[i] = query_of(step, slice, kv_head, result.exists[i] ? index : last);
  }
  return result;
}

/// Eight elements of a row, as four pairs.
struct Loaded {
  std::uint32_t pairs[kLoadDims / 2];
};

GPU_DEVICE Loaded load(const Bfloat16* elements) {
  return std::bit_cast<Loaded>(ptx::load_16_bytes<std::uint32_t>(elements));
}

/// Where the keys or the values of a page of the sequence begin. A page that no query sees is replaced by one that some
/// do: what is loaded does not count, but the loads of all pages can be under way at the same time.
template <int kHeadDim>
GPU_DEVICE std::int64_t page_begin(const Attention& step, const Tile& tile, int page) {
  const int first = tile.first / kPageLength;
  const int last = tile.last / kPageLength;
  const int seen = page < first ? first : page > last ? last : page;
  const int block = tile.page_table[seen] * static_cast<int>(step.kv_heads) + tile.kv_head;
  return std::int64_t{block} * (kPageLength * kHeadDim);
}

/// For each page of a segment the scores of its two halves, columns of mma: position 8 · half + 2 · t + column % 2, and
/// row column / 2 of the lane's.
using Scores = ptx::MatrixC[kPages][2];

template <int kHeadDim>
GPU_DEVICE void score(const Attention& step, const Tile& tile, int segment, Scores& scores) {
  const int group = ptx::lane_index() / kKeyLanes;
  const int dim = ptx::lane_index() % kKeyLanes * kLoadDims;
  for (auto& page : scores) page[0] = page[1] = {};
  constexpr int kParts = kHeadDim == 2 * kKeyDims ? 2 : 1;
  for (int begin = dim; begin < kHeadDim; begin += kParts * kKeyDims) {
    GPU_UNROLL
    for (int part = 0; part < kParts; ++part) {
      const int from = begin + part * kKeyDims;
      Loaded rows[kRows];
      for (int row = 0; row < kRows; ++row) {
        rows[row] = load(step.queries + std::int64_t{tile.queries[row].row} * kHeadDim + from);
      }
      const ptx::MatrixA first{{rows[0].pairs[0], rows[1].pairs[0], rows[0].pairs[1], rows[1].pairs[1]}};
      const ptx::MatrixA second{{rows[0].pairs[2], rows[1].pairs[2], rows[0].pairs[3], rows[1].pairs[3]}};
      // All loads are on their way before the first is needed: there are few warps to hide behind.
      Loaded keys[kPages][2];
      GPU_UNROLL
      for (int page = 0; page < kPages; ++page) {
        const Bfloat16* key = step.keys + page_begin<kHeadDim>(step, tile, segment * kPages + page) + from;
        for (int half = 0; half < 2; ++half) {
          keys[page][half] = load(key + (half * kPageLength / 2 + group) * kHeadDim);
        }
      }
      GPU_UNROLL
      for (int page = 0; page < kPages; ++page) {
        GPU_UNROLL
        for (int half = 0; half < 2; ++half) {
          const Loaded& key = keys[page][half];
          ptx::multiply_add(scores[page][half], first, {{key.pairs[0], key.pairs[1]}});
          ptx::multiply_add(scores[page][half], second, {{key.pairs[2], key.pairs[3]}});
        }
      }
    }
  }
}

/// For each page of a segment what its positions weigh.
using Weights = ptx::MatrixA[kPages];

GPU_DEVICE float quad_max(float value) {
  for (int step = 1; step < kKeyLanes; step *= 2) value = fmaxf(value, ptx::shuffle_xor(value, step));
  return value;
}

GPU_DEVICE float quad_sum(float value) {
  for (int step = 1; step < kKeyLanes; step *= 2) value += ptx::shuffle_xor(value, step);
  return value;
}

/// Turns the scores of a segment into weights, rounded to bfloat16 as mma wants them: the total is that of the rounded
/// ones.
GPU_DEVICE void weigh(const Attention& step, const Tile& tile, int segment, Scores& scores, Weights& weights,
                      Softmax (&softmax)[kRows]) {
  const int begin = segment * kSegmentLength + 2 * (ptx::lane_index() % kKeyLanes);
  const float scale = step.scale * kLog2E;
  for (int row = 0; row < kRows; ++row) softmax[row] = {.largest = kNoScore, .total = 0};
  GPU_UNROLL
  for (int page = 0; page < kPages; ++page) {
    GPU_UNROLL
    for (int i = 0; i < 8; ++i) {
      const int half = i / 4;
      const int row = i % 4 / 2;
      float& score = scores[page][half].values[i % 4];
      const int position = begin + page * kPageLength + half * kPageLength / 2 + i % 2;
      score = sees(tile.queries[row], position) ? score * scale : kNoScore;
      softmax[row].largest = fmaxf(softmax[row].largest, score);
    }
  }
  float base[kRows];
  for (int row = 0; row < kRows; ++row) {
    softmax[row].largest = quad_max(softmax[row].largest);
    base[row] = softmax[row].largest == kNoScore ? 0 : softmax[row].largest;
  }
  GPU_UNROLL
  for (int page = 0; page < kPages; ++page) {
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int row = i % kRows;
      const float* pair = &scores[page][i / 2].values[2 * row];
      const Bfloat16 first = to_bfloat16(ptx::power_of_two(pair[0] - base[row]));
      const Bfloat16 second = to_bfloat16(ptx::power_of_two(pair[1] - base[row]));
      softmax[row].total += to_float(first) + to_float(second);
      weights[page].words[i] = first.bits | std::uint32_t{second.bits} << 16;
    }
  }
  for (int row = 0; row < kRows; ++row) softmax[row].total = quad_sum(softmax[row].total);
}

/// Sums of a tile's rows over kValueDims dimensions, as mma leaves them: the lane has the 16 that begin at 16 · t,
/// number j + 8 · (column % 2) of row column / 2 in the values[column] of matrix j.
using Sums = ptx::MatrixC[kLoadDims];

/// Element j of two rows, as mma reads two neighbours along k.
GPU_DEVICE std::uint32_t element_pair(const Loaded& first, const Loaded& second, int j) {
  const std::uint32_t a = first.pairs[j / 2];
  const std::uint32_t b = second.pairs[j / 2];
  return j % 2 == 0 ? (a & 0xFFFFU) | b << 16 : a >> 16 | (b & 0xFFFF0000U);
}

/// sums = weights · values from the dimension `begin` on.
template <int kHeadDim>
GPU_DEVICE void add_values(const Attention& step, const Tile& tile, int segment, const Weights& weights, int begin,
                           Sums& sums) {
  const int dim = begin + ptx::lane_index() / kKeyLanes * kLoadDims;
  const int first_row = 2 * (ptx::lane_index() % kKeyLanes);
  for (ptx::MatrixC& sum : sums) sum = {};
  GPU_UNROLL
  for (int page = 0; page < kPages; ++page) {
    const Bfloat16* values = step.values + page_begin<kHeadDim>(step, tile, segment * kPages + page);
    Loaded rows[4];
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int row = first_row + i / 2 * kPageLength / 2 + i % 2;
      const int position = segment * kSegmentLength + page * kPageLength + row;
      // What was never written may be NaN, which the weight 0 would not make 0.
      const bool seen = position >= tile.first && position <= tile.last && dim < kHeadDim;
      rows[i] = seen ? load(values + row * kHeadDim + dim) : Loaded{};
    }
    GPU_UNROLL
    for (int j = 0; j < kLoadDims; ++j) {
      ptx::multiply_add(sums[j], weights[page],
                        {{element_pair(rows[0], rows[1], j), element_pair(rows[2], rows[3], j)}});
    }
  }
}

}  // namespace gpuinfer::backend::cuda
