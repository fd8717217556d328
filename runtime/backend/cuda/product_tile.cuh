// What one block of every product with weights does: some rows of the weights, times some tokens, on tensor cores.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/memory.cuh"
#include "runtime/backend/cuda/ptx/mma.cuh"

namespace gpuinfer::backend::cuda {

// An output is the same bits whatever the batch: its columns are cut into kSlices slices, each is added up chunk after
// chunk, and the slices are added in their order. Here each warp of a block takes a slice; wide_product_tile.cuh does
// the same for many tokens.
//
// Weights are the 16 rows of the instruction, tokens its 8 columns. A sum may take its elements in any order, so
// lane 4·r + c takes the columns 8c to 8c + 7 of 32, which are 16 bytes of bfloat16, for the parts of two instructions
// that the hardware expects there; weights and activations go from global memory to registers, with nothing between.

inline constexpr int kSlices = 8;
inline constexpr int kProductThreads = kSlices * ptx::kWarpLanes;
/// Rows and tokens of an instruction.
inline constexpr int kTileRows = 16;
inline constexpr int kTileTokens = 8;
/// Columns that a warp takes in a step, and those of them that share a step's instructions.
inline constexpr int kChunkColumns = 128;
inline constexpr int kBlockColumns = 32;

/// The tokens that a block multiplies.
struct TileInput {
  const Bfloat16* x;            ///< [any, columns]
  const std::int32_t* indices;  ///< rows of x; null: those from `first` on
  std::int64_t first;           ///< of `indices`, or of x
  std::int64_t count;           ///< at most 8 times the block's tiles
  std::int64_t columns;

  /// The row of x that belongs to a token; behind the last token its own again, for results that are dropped.
  GPU_DEVICE const Bfloat16* row(std::int64_t token) const {
    if (token >= count) token = count - 1;
    return x + (indices == nullptr ? first + token : indices[first + token]) * columns;
  }
};

/// Where the results go.
struct TileOutput {
  float* out;         ///< [any, rows]: the block's first token
  const float* bias;  ///< [rows], or null
  std::int64_t rows;

  /// out[token, row] = result + bias[row].
  GPU_DEVICE void store(std::int64_t token, std::int64_t row, float result) const {
    if (bias != nullptr) result += bias[row];
    out[token * rows + row] = result;
  }
};

/// The columns in chunks, and the chunks in slices; the last slices may be empty.
struct Slices {
  int chunks;
  int slice_chunks;

  GPU_DEVICE explicit Slices(std::int64_t columns)
      : chunks(static_cast<int>((columns + kChunkColumns - 1) / kChunkColumns)),
        slice_chunks((chunks + kSlices - 1) / kSlices) {}

  GPU_DEVICE int begin(int slice) const { return slice * slice_chunks; }
  GPU_DEVICE int end(int slice) const {
    const int end = begin(slice + 1);
    return end < chunks ? end : chunks;
  }
};

/// Which row and which token of a tile the lane's number i of a MatrixC belongs to.
GPU_DEVICE int row_in_tile(int i) { return ptx::lane_index() / 4 + i / 2 * 8; }
GPU_DEVICE int token_in_tile(int i) { return ptx::lane_index() % 4 * 2 + i % 2; }

/// The warp's slice of the sums of kRowTiles · 16 rows with kTokenTiles · 8 tokens. `Weights` is Bfloat16Weights, or
/// something like it.
template <int kRowTiles, int kTokenTiles, typename Weights>
GPU_DEVICE void add_slice(const Weights& weights, std::int64_t row_tile, const TileInput& input,
                          ptx::MatrixC (&sums)[kRowTiles][kTokenTiles]) {
  using Part = ptx::SixteenBytes<std::uint32_t>;
  const Bfloat16* x[kTokenTiles];
  GPU_UNROLL
  for (int n = 0; n < kTokenTiles; ++n) x[n] = input.row(n * kTileTokens + ptx::lane_index() / 4);

  // With few tokens time is spent waiting for memory: everything that a step needs is on its way at once, and with one
  // tile of rows, which leaves registers for it, the weights of the next step too.
  constexpr int kBlocks = kChunkColumns / kBlockColumns;
  constexpr int kBlocksAtOnce = kTokenTiles == 1 ? kBlocks : 1;
  constexpr bool kAhead = kRowTiles == 1;
  const auto columns = static_cast<int>(input.columns);
  const Slices slices(input.columns);
  const int begin = slices.begin(ptx::warp_index());
  const int end = slices.end(ptx::warp_index());
  typename Weights::Chunk loaded[kRowTiles] = {};
  const auto load = [&](int chunk) {
    if (chunk >= end) return;
    GPU_UNROLL
    for (int m = 0; m < kRowTiles; ++m) loaded[m] = weights.load(row_tile + m, chunk);
  };
  if (kAhead) load(begin);
  for (int chunk = begin; chunk < end; ++chunk) {
    if (!kAhead) load(chunk);
    typename Weights::Chunk parts[kRowTiles];
    GPU_UNROLL
    for (int m = 0; m < kRowTiles; ++m) parts[m] = loaded[m];
    if (kAhead) load(chunk + 1);
    GPU_UNROLL
    for (int first = 0; first < kBlocks; first += kBlocksAtOnce) {
      Part activations[kBlocksAtOnce][kTokenTiles] = {};
      GPU_UNROLL
      for (int b = 0; b < kBlocksAtOnce; ++b) {
        const int column = chunk * kChunkColumns + (first + b) * kBlockColumns + ptx::lane_index() % 4 * 8;
        if (column >= columns) break;
        GPU_UNROLL
        for (int n = 0; n < kTokenTiles; ++n) activations[b][n] = ptx::load_16_bytes<std::uint32_t>(x[n] + column);
      }
      GPU_UNROLL
      for (int b = 0; b < kBlocksAtOnce; ++b) {
        GPU_UNROLL
        for (int m = 0; m < kRowTiles; ++m) {
          const typename Weights::Block block = Weights::block(parts[m], first + b);
          GPU_UNROLL
          for (int n = 0; n < kTokenTiles; ++n) Weights::multiply(sums[m][n], block, activations[b][n]);
        }
      }
    }
  }
}

/// The block multiplies rows from `row_tile` · 16 on, kRowTiles · 16 of them, with `input`.
template <int kRowTiles, int kTokenTiles, typename Weights>
GPU_DEVICE void multiply_tile(const Weights& weights, std::int64_t row_tile, const TileInput& input,
                              const TileOutput& output) {
  ptx::MatrixC sums[kRowTiles][kTokenTiles] = {};
  add_slice(weights, row_tile, input, sums);

  // [tokens, rows]; with four more in a row no two lanes meet in a bank.
  constexpr int kRows = kRowTiles * kTileRows;
  constexpr int kStride = kRows + 4;
  GPU_SHARED(float, merged, kTokenTiles* kTileTokens* kStride);
  for (int slice = 0; slice < kSlices; ++slice) {
    if (ptx::warp_index() == slice) {
      GPU_UNROLL
      for (int m = 0; m < kRowTiles; ++m) {
        GPU_UNROLL
        for (int n = 0; n < kTokenTiles; ++n) {
          GPU_UNROLL
          for (int i = 0; i < 4; ++i) {
            float& sum = merged[(n * kTileTokens + token_in_tile(i)) * kStride + m * kTileRows + row_in_tile(i)];
            sum = slice == 0 ? sums[m][n].values[i] : sum + sums[m][n].values[i];
          }
        }
      }
    }
    ptx::block_barrier();
  }

  for (int i = ptx::thread_index(); i < input.count * kRows; i += kProductThreads) {
    const std::int64_t row = row_tile * kTileRows + i % kRows;
    if (row < output.rows) output.store(i / kRows, row, merged[i / kRows * kStride + i % kRows]);
  }
}

}  // namespace gpuinfer::backend::cuda
