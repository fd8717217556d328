// Weights in bfloat16, as product_tile.cuh reads them.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/memory.cuh"
#include "runtime/backend/cuda/ptx/mma.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"

namespace gpuinfer::backend::cuda {

/// A matrix in the order of its rows, as in the file it came from. The four lanes of a row read 64 bytes in a row of it
/// at a time: whole sectors of the cache, without a rearrangement of the weights.
struct Bfloat16Weights {
  const Bfloat16* values;  ///< [rows, columns]
  std::int64_t rows;
  std::int64_t columns;

  /// The lane's parts of 128 columns of rows `tile` · 16 + lane / 4, and eight below: four times 8 columns of each.
  /// Behind the last row there is the last row again, whose results are dropped; behind the last column there are
  /// zeros.
  struct Chunk {
    ptx::SixteenBytes<std::uint32_t> upper[4];
    ptx::SixteenBytes<std::uint32_t> lower[4];
  };

  /// What the warp multiplies with 32 columns of activations.
  struct Block {
    ptx::MatrixA halves[2];
  };

  /// The block brings tiles from `tile` on to the L2 cache, for which it need not wait for the kernel before it.
  GPU_DEVICE void prefetch(std::int64_t tile, std::int64_t tiles) const {
    const std::int64_t left = rows - tile * 16;
    const std::int64_t bytes = (left < tiles * 16 ? left : tiles * 16) * columns * std::int64_t{sizeof(Bfloat16)};
    const auto* const lines = reinterpret_cast<const char*>(values + tile * 16 * columns);
    for (std::int64_t i = ptx::thread_index() * ptx::kLineBytes; i < bytes;
         i += ptx::block_threads() * ptx::kLineBytes) {
      ptx::prefetch_line(lines + i);
    }
  }

  GPU_DEVICE Chunk load(std::int64_t tile, int index) const {
    const std::int64_t row = tile * 16 + ptx::lane_index() / 4;
    const Bfloat16* upper = values + (row < rows ? row : rows - 1) * columns;
    const Bfloat16* lower = values + (row + 8 < rows ? row + 8 : rows - 1) * columns;
    const int column = index * 128 + ptx::lane_index() % 4 * 8;
    Chunk chunk = {};
    GPU_UNROLL
    for (int b = 0; b < 4; ++b) {
      if (column + b * 32 >= columns) return chunk;
      chunk.upper[b] = ptx::stream_16_bytes<std::uint32_t>(upper + column + b * 32);
      chunk.lower[b] = ptx::stream_16_bytes<std::uint32_t>(lower + column + b * 32);
    }
    return chunk;
  }

  GPU_DEVICE static Block block(const Chunk& chunk, int index) {
    const auto& upper = chunk.upper[index].values;
    const auto& lower = chunk.lower[index].values;
    return {{{{upper[0], lower[0], upper[1], lower[1]}}, {{upper[2], lower[2], upper[3], lower[3]}}}};
  }

  GPU_DEVICE static void multiply(ptx::MatrixC& sum, const Block& block, const ptx::SixteenBytes<std::uint32_t>& x) {
    ptx::multiply_add(sum, block.halves[0], {{x.values[0], x.values[1]}});
    ptx::multiply_add(sum, block.halves[1], {{x.values[2], x.values[3]}});
  }
};

}  // namespace gpuinfer::backend::cuda
