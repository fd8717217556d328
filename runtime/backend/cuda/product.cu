// Blocks for small batches, which wait for the weights' bytes, and for large ones, which share what they load.
#include "runtime/backend/cuda/product.hpp"

#include <stdexcept>

#include "runtime/backend/cuda/bfloat16_weights.cuh"
#include "runtime/backend/cuda/product_tile.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"
#include "runtime/backend/cuda/wide_product_tile.cuh"

namespace gpuinfer::backend::cuda {
namespace {

/// About as many as the largest GPUs have multiprocessors: where there are fewer blocks of many rows than that, blocks
/// of few rows keep more of the GPU busy.
constexpr std::int64_t kEnoughBlocks = 128;

/// The tokens of a block that multiplies `tokens`, and where their results go.
GPU_DEVICE TileInput input_of(const Product& step, std::int64_t tokens) {
  const std::int64_t first = ptx::block_x() * tokens;
  const std::int64_t left = step.tokens - first;
  return {
      .x = step.x, .indices = nullptr, .first = first, .count = left < tokens ? left : tokens, .columns = step.columns};
}

GPU_DEVICE TileOutput output_of(const Product& step, std::int64_t tokens) {
  return {.out = step.out + ptx::block_x() * tokens * step.rows, .bias = step.bias, .rows = step.rows, .add = step.add};
}

// budget <1, 1>: 128 registers, 640 shared bytes, HMMA, LDG.128
// budget <2, 4>: 255 registers, 4608 shared bytes, HMMA, LDG.128
// budget <2, 8>: 255 registers, 9216 shared bytes, 16 stack bytes, HMMA, LDG.128
// Of those 16 bytes, on sm_90, what a warp reads back in a chunk of 128 columns is 12, beside 12 KB from the caches.
template <int kRowTiles, int kTokenTiles>
GPU_KERNEL(kProductThreads)
product_kernel(const Product step) {
  constexpr int kTokens = kTokenTiles * kTileTokens;
  const Bfloat16Weights weights{step.weight, step.rows, step.columns};
  const int row_tile = ptx::block_y() * kRowTiles;
  // With more tokens another block has brought them already.
  if (kTokenTiles == 1) weights.prefetch(row_tile, kRowTiles);
  ptx::wait_for_previous_launch();
  multiply_tile<kRowTiles, kTokenTiles>(weights, row_tile, input_of(step, kTokens), output_of(step, kTokens));
}

// budget <4>: 128 registers, HMMA, LDG.128, LDGSTS.128
// budget <8>: 255 registers, HMMA, LDG.128, LDGSTS.128
template <int kTokenTiles>
GPU_KERNEL(kProductThreads)
wide_product_kernel(const Product step) {
  ptx::wait_for_previous_launch();
  constexpr int kTokens = kTokenTiles * kTileTokens;
  multiply_wide_tile<kTokenTiles>(Bfloat16Weights{step.weight, step.rows, step.columns},
                                  std::int64_t{ptx::block_y()} * kWideRows, input_of(step, kTokens),
                                  output_of(step, kTokens));
}

/// Blocks that share weights run at the same time: token tiles are the inner dimension of the grid.
ptx::Grid grid(const Product& step, std::int64_t rows, std::int64_t tokens) {
  const auto divide_up = [](std::int64_t number, std::int64_t by) { return (number + by - 1) / by; };
  return {.x = divide_up(step.tokens, tokens), .y = divide_up(step.rows, rows), .threads = kProductThreads};
}

template <int kRowTiles, int kTokenTiles>
void launch(const Product& step, Stream stream) {
  ptx::launch("product", product_kernel<kRowTiles, kTokenTiles>,
              grid(step, kRowTiles * kTileRows, kTokenTiles * kTileTokens), stream, step);
}

/// For more than one tile of tokens.
template <int kTokenTiles>
void launch_wide_if_enough(const Product& step, Stream stream) {
  ptx::Grid wide = grid(step, kWideRows, kTokenTiles * kTileTokens);
  if (wide.x * wide.y < kEnoughBlocks) return launch<2, kTokenTiles>(step, stream);
  wide.dynamic_shared_bytes = wide_shared_bytes(kTokenTiles);
  ptx::launch("wide_product", wide_product_kernel<kTokenTiles>, wide, stream, step);
}

}  // namespace

void multiply(const Product& step, Stream stream) {
  if (step.columns % 8 != 0) throw std::invalid_argument("a product's columns are a multiple of 8");
  if (step.tokens <= 8) {
    launch<1, 1>(step, stream);
  } else if (step.tokens <= 32) {
    launch_wide_if_enough<4>(step, stream);
  } else {
    launch_wide_if_enough<8>(step, stream);
  }
}

}  // namespace gpuinfer::backend::cuda
