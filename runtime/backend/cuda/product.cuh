// A block's part of a Product.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/bfloat16_weights.cuh"
#include "runtime/backend/cuda/product.hpp"
#include "runtime/backend/cuda/product_tile.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"

namespace gpuinfer::backend::cuda {

static_assert(kFewTokens == kTileTokens);

/// Blocks that share weights run at the same time: token tiles are the inner dimension of the grid.
inline ptx::Grid product_grid(const Product& step, std::int64_t rows, std::int64_t tokens) {
  const auto divide_up = [](std::int64_t number, std::int64_t by) { return (number + by - 1) / by; };
  return {.x = divide_up(step.tokens, tokens), .y = divide_up(step.rows, rows), .threads = kProductThreads};
}

/// The tokens of a block that multiplies `tokens`, and where their results go.
GPU_DEVICE TileInput input_of(const Product& step, std::int64_t tokens) {
  const std::int64_t first = ptx::block_x() * tokens;
  const std::int64_t left = step.tokens - first;
  return {
      .x = step.x, .indices = nullptr, .first = first, .count = left < tokens ? left : tokens, .columns = step.columns};
}

GPU_DEVICE TileOutput output_of(const Product& step, std::int64_t tokens) {
  return {.out = step.out + ptx::block_x() * tokens * step.rows, .bias = step.bias, .rows = step.rows};
}

/// What a kernel of few rows in a block begins with: waits for the launch before it, and multiplies.
template <int kRowTiles, int kTokenTiles>
GPU_DEVICE void wait_and_multiply(const Product& step) {
  constexpr int kTokens = kTokenTiles * kTileTokens;
  const Bfloat16Weights weights{step.weight, step.rows, step.columns};
  const int row_tile = ptx::block_y() * kRowTiles;
  // With more tokens another block has brought them already.
  if (kTokenTiles == 1) weights.prefetch(row_tile, kRowTiles);
  ptx::wait_for_previous_launch();
  multiply_tile<kRowTiles, kTokenTiles>(weights, row_tile, input_of(step, kTokens), output_of(step, kTokens));
}

}  // namespace gpuinfer::backend::cuda
