// The same as product_tile.cuh for many tokens, where the activations are what would be loaded too often: the warps of
// a block take rows of their own, and share the tokens.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/product_tile.cuh"
#include "runtime/backend/cuda/ptx/async_copy.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/memory.cuh"
#include "runtime/backend/cuda/ptx/mma.cuh"

namespace gpuinfer::backend::cuda {

/// Rows that a block multiplies: a tile for each warp.
inline constexpr int kWideRows = kProductThreads / ptx::kWarpLanes * kTileRows;
/// Chunks of activations in shared memory: one is multiplied, the others are on their way.
inline constexpr int kWideStages = 3;

/// Dynamic shared memory of a block.
constexpr std::size_t wide_shared_bytes(int token_tiles) {
  return sizeof(Bfloat16) * kWideStages * static_cast<std::size_t>(token_tiles) * kTileTokens * kChunkColumns;
}

/// The block multiplies kWideRows rows from `first_row` on with `input`; it has wide_shared_bytes(kTokenTiles).
template <int kTokenTiles, typename Weights>
GPU_DEVICE void multiply_wide_tile(const Weights& weights, std::int64_t first_row, const TileInput& input,
                                   const TileOutput& output) {
  using Part = ptx::SixteenBytes<std::uint32_t>;
  constexpr int kBlocks = kChunkColumns / kBlockColumns;
  constexpr int kBlockParts = kTokenTiles * ptx::kWarpLanes;
  static_assert(kProductThreads % kBlockParts == 0, "a thread copies for one token");
  const int thread = ptx::thread_index();
  const int lane = ptx::lane_index();
  const Slices slices(input.columns);

  // A stage is [block, token, part]: a warp finds a tile's parts in the order of its lanes.
  auto* stages = ptx::dynamic_shared<Part>();
  const auto stage = [&](int chunk) { return stages + chunk % kWideStages * kBlocks * kBlockParts; };
  const Bfloat16* x = input.row(thread % kBlockParts / 4);
  const auto begin_copy = [&](int chunk) {
    GPU_UNROLL
    for (int copy = 0; copy < kBlocks * kBlockParts / kProductThreads; ++copy) {
      const int i = copy * kProductThreads + thread;
      const int column = chunk * kChunkColumns + i / kBlockParts * kBlockColumns + thread % 4 * 8;
      if (column < input.columns) {
        ptx::copy_async_16(stage(chunk) + i, x + column);
      } else {
        stage(chunk)[i] = {};
      }
    }
    ptx::close_copy_group();
  };
  for (int chunk = 0; chunk < kWideStages - 1; ++chunk) begin_copy(chunk);

  const std::int64_t tile = first_row / kTileRows + ptx::warp_index();
  ptx::MatrixC totals[kTokenTiles] = {};
  typename Weights::Chunk next = weights.load(tile, 0);
  for (int slice = 0; slice < kSlices; ++slice) {
    ptx::MatrixC sums[kTokenTiles] = {};
    for (int chunk = slices.begin(slice); chunk < slices.end(slice); ++chunk) {
      ptx::wait_copy_groups<kWideStages - 2>();
      ptx::block_barrier();  // The chunk is there, and the one before it no longer read.
      begin_copy(chunk + kWideStages - 1);
      const typename Weights::Chunk part = next;
      if (chunk + 1 < slices.chunks) next = weights.load(tile, chunk + 1);
      GPU_UNROLL
      for (int b = 0; b < kBlocks; ++b) {
        const typename Weights::Block block = Weights::block(part, b);
        GPU_UNROLL
        for (int n = 0; n < kTokenTiles; ++n) {
          const Part& activations = stage(chunk)[b * kBlockParts + n * ptx::kWarpLanes + lane];
          Weights::multiply(sums[n], block, activations);
        }
      }
    }
    GPU_UNROLL
    for (int n = 0; n < kTokenTiles; ++n) {
      GPU_UNROLL
      for (int i = 0; i < 4; ++i) totals[n].values[i] += sums[n].values[i];
    }
  }
  ptx::wait_copy_groups<0>();

  GPU_UNROLL
  for (int n = 0; n < kTokenTiles; ++n) {
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int token = n * kTileTokens + token_in_tile(i);
      const std::int64_t row = tile * kTileRows + row_in_tile(i);
      if (token < input.count && row < output.rows) output.store(token, row, totals[n].values[i]);
    }
  }
}

}  // namespace gpuinfer::backend::cuda
