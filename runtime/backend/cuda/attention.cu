// The segments that a warp has to compute one after the other: merged on the way, or each stored for a second kernel
// that merges them in the same order by the same arithmetic.
#include "runtime/backend/cuda/attention.hpp"

#include <stdexcept>

#include "runtime/backend/cuda/attention_segment.cuh"
#include "runtime/backend/cuda/bfloat16.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/memory.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"
#include "runtime/backend/cuda/softmax.cuh"

namespace gpuinfer::backend::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * ptx::kWarpLanes;
/// On a multiprocessor: more would leave too few registers for what is on its way from memory.
constexpr int kBlocks = 2;
constexpr int kMergeThreads = kQueries * ptx::kWarpLanes;
constexpr int kMaximumHeadDim = 256;

/// Hands `store` what the lane has of a row's sums: the dimension, and the eight numbers from there on.
template <int kHeadDim, typename Store>
GPU_DEVICE void for_each_eight(const Sums& sums, int row, int begin, const Store& store) {
  GPU_UNROLL
  for (int column = 0; column < 2; ++column) {
    const int dim = begin + (ptx::lane_index() % kKeyLanes * 2 + column) * kLoadDims;
    float eight[kLoadDims];
    GPU_UNROLL
    for (int j = 0; j < kLoadDims; ++j) eight[j] = sums[j].values[2 * row + column];
    if (dim < kHeadDim) store(dim, eight);
  }
}

/// The place of a row in partial_softmaxes.
GPU_DEVICE std::int64_t partial_row(const Attention& step, std::int64_t partial, int kv_head, int row) {
  return (partial * step.kv_heads + kv_head) * kTileQueries + row;
}

/// Keeps one row's part of one segment for merge_kernel().
template <int kHeadDim>
GPU_DEVICE void store_partial(const Attention& step, std::int64_t place, const Sums& sums, int row, int begin) {
  for_each_eight<kHeadDim>(sums, row, begin, [&](int dim, const float* eight) {
    float* out = step.partial_sums + place * kHeadDim + dim;
    ptx::store_16_bytes<float>(out, {eight[0], eight[1], eight[2], eight[3]});
    ptx::store_16_bytes<float>(out + 4, {eight[4], eight[5], eight[6], eight[7]});
  });
}

GPU_DEVICE float finish(const Attention& step, const Query& query, const Softmax& softmax) {
  return finish(softmax, step.sinks == nullptr ? nullptr : step.sinks + query.row % static_cast<int>(step.heads));
}

template <int kHeadDim>
GPU_DEVICE void store_result(const Attention& step, const Query& query, float factor, const Sums& sums, int row,
                             int begin) {
  for_each_eight<kHeadDim>(sums, row, begin, [&](int dim, const float* eight) {
    ptx::SixteenBytes<Bfloat16> rounded;
    for (int j = 0; j < kLoadDims; ++j) rounded.values[j] = to_bfloat16(eight[j] * factor);
    ptx::store_16_bytes(step.out + std::int64_t{query.row} * kHeadDim + dim, rounded);
  });
}

/// What a warp merged so far, each lane's for itself. It lies in shared memory: it is read and written seldom, and
/// registers are scarce.
struct Merged {
  float* sums;         ///< [chunk of dimensions, matrix, value] of the lane, kWarpLanes apart
  Softmax* softmaxes;  ///< [kRows], kThreads apart

  GPU_DEVICE float& sum(int chunk, int matrix, int value) const {
    return sums[((chunk * kLoadDims + matrix) * 4 + value) * ptx::kWarpLanes];
  }
  GPU_DEVICE Softmax& softmax(int row) const { return softmaxes[row * kThreads]; }
};

/// Blocks: tiles by kWarps, key/value heads, parts of the head of kDims dimensions. Each part computes the scores anew.
// budget: 255 registers, 34816 shared bytes, HMMA, LDG.128
template <int kHeadDim, int kDims>
GPU_KERNEL_OF_BLOCKS(kThreads, kBlocks)
attend_kernel(const Attention step) {
  ptx::wait_for_previous_launch();
  const std::int64_t index = std::int64_t{ptx::block_x()} * kWarps + ptx::warp_index();
  if (index >= step.tile_count) return;
  const AttentionTile task = step.tiles[index];
  if (task.first_segment >= task.end_segment) return;
  const Tile tile = tile_of(step, task, ptx::block_y());
  const int begin = ptx::block_z() * kDims;
  const bool is_whole = task.partial == AttentionTile::kWhole;

  constexpr int kTileSums = kQueries * kDims;
  constexpr int kBlockSums = kWarps * kTileSums;
  constexpr int kBlockSoftmaxes = kThreads * kRows;
  GPU_SHARED(float, merged_sums, kBlockSums);
  GPU_SHARED(Softmax, merged_softmaxes, kBlockSoftmaxes);
  const Merged merged{.sums = merged_sums + ptx::warp_index() * kTileSums + ptx::lane_index(),
                      .softmaxes = merged_softmaxes + ptx::thread_index()};
  for (int row = 0; row < kRows; ++row) merged.softmax(row) = {.largest = kNoScore, .total = 0};

  constexpr int kChunks = kDims / kValueDims;
  for (int segment = task.first_segment; segment < task.end_segment; ++segment) {
    Scores scores;
    score<kHeadDim>(step, tile, segment, scores);
    Weights weights;
    Softmax softmax[kRows];
    weigh(step, tile, segment, scores, weights, softmax);
    Rescale rescale[kRows];
    std::int64_t place[kRows];
    GPU_UNROLL
    for (int row = 0; row < kRows; ++row) {
      if (is_whole) {
        rescale[row] = merge(merged.softmax(row), softmax[row]);
      } else {
        place[row] = partial_row(step, task.partial + segment - task.first_segment, tile.kv_head,
                                 ptx::lane_index() / kKeyLanes + row * kRowStep);
        // Several lanes, and the blocks of all parts of the head, have the same.
        const bool is_mine = begin + ptx::lane_index() % kKeyLanes == 0;
        if (tile.exists[row] && is_mine) step.partial_softmaxes[place[row]] = softmax[row];
      }
    }

    GPU_ROLLED
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      const int first_dim = begin + chunk * kValueDims;
      Sums sums;
      add_values<kHeadDim>(step, tile, segment, weights, first_dim, sums);
      GPU_UNROLL
      for (int row = 0; row < kRows; ++row) {
        if (!is_whole) {
          if (tile.exists[row]) store_partial<kHeadDim>(step, place[row], sums, row, first_dim);
          continue;
        }
        GPU_UNROLL
        for (int i = 0; i < kLoadDims; ++i) {
          for (int column = 2 * row; column < 2 * row + 2; ++column) {
            float& sum = merged.sum(chunk, i, column);
            sum = rescale[row](segment > task.first_segment ? sum : 0, sums[i].values[column]);
          }
        }
      }
    }
  }

  if (!is_whole) return;
  float factor[kRows];
  for (int row = 0; row < kRows; ++row) factor[row] = finish(step, tile.queries[row], merged.softmax(row));
  GPU_ROLLED
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    Sums sums;
    GPU_UNROLL
    for (int i = 0; i < kLoadDims; ++i) {
      for (int column = 0; column < 4; ++column) sums[i].values[column] = merged.sum(chunk, i, column);
    }
    GPU_UNROLL
    for (int row = 0; row < kRows; ++row) {
      if (!tile.exists[row]) continue;
      store_result<kHeadDim>(step, tile.queries[row], factor[row], sums, row, begin + chunk * kValueDims);
    }
  }
}

/// Blocks: tiles whose segments were computed apart, key/value heads. One warp merges one row.
// budget: 64 registers
GPU_KERNEL(kMergeThreads) merge_kernel(const Attention step) {
  ptx::wait_for_previous_launch();
  constexpr int kLaneDims = kMaximumHeadDim / ptx::kWarpLanes;
  const AttentionTile task = step.merges[ptx::block_x()];
  if (task.first_segment >= task.end_segment) return;
  const AttentionSlice slice = step.slices[task.slice];
  const int index = task.first_query + ptx::warp_index();
  if (index >= slice.tokens * static_cast<int>(step.heads / step.kv_heads)) return;
  const Query query = query_of(step, slice, ptx::block_y(), index);

  Softmax merged{.largest = kNoScore, .total = 0};
  float sums[kLaneDims] = {};
  for (int i = 0; i < task.end_segment - task.first_segment; ++i) {
    const std::int64_t place = partial_row(step, task.partial + i, ptx::block_y(), ptx::warp_index());
    const Rescale rescale = merge(merged, step.partial_softmaxes[place]);
    GPU_UNROLL
    for (int part = 0; part < kLaneDims; ++part) {
      const int dim = part * ptx::kWarpLanes + ptx::lane_index();
      if (dim < step.head_dim) sums[part] = rescale(sums[part], step.partial_sums[place * step.head_dim + dim]);
    }
  }
  const float factor = finish(step, query, merged);
  GPU_UNROLL
  for (int part = 0; part < kLaneDims; ++part) {
    const int dim = part * ptx::kWarpLanes + ptx::lane_index();
    if (dim < step.head_dim) step.out[query.row * step.head_dim + dim] = to_bfloat16(sums[part] * factor);
  }
}

template <int kHeadDim, int kDims>
void launch_attend(const Attention& step, Stream stream) {
  ptx::launch("attend", attend_kernel<kHeadDim, kDims>,
              {.x = (step.tile_count + kWarps - 1) / kWarps,
               .y = step.kv_heads,
               .z = (kHeadDim + kDims - 1) / kDims,
               .threads = kThreads},
              stream, step);
}

}  // namespace

void attend(const Attention& step, Stream stream) {
  if (step.kv_heads <= 0 || step.heads % step.kv_heads != 0) {
    throw std::invalid_argument("attention takes a multiple of the key/value heads as query heads");
  }
  switch (step.head_dim) {
    case 32:
      launch_attend<32, 64>(step, stream);
      break;
    case 64:
      launch_attend<64, 64>(step, stream);
      break;
    case 128:
      launch_attend<128, 128>(step, stream);
      break;
    case 256:
      launch_attend<256, 128>(step, stream);
      break;
    default:
      throw std::invalid_argument("attention takes heads of 32, 64, 128 or 256 dimensions");
  }
  ptx::launch("merge_attention", merge_kernel, {.x = step.merge_count, .y = step.kv_heads, .threads = kMergeThreads},
              stream, step);
}

}  // namespace gpuinfer::backend::cuda
