// Blocks for small batches, which wait for the weights' bytes, and for large ones, which share what they load.
#include "runtime/backend/cuda/product.hpp"

#include <stdexcept>

#include "runtime/backend/cuda/bfloat16_weights.cuh"
#include "runtime/backend/cuda/product.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"
#include "runtime/backend/cuda/wide_product_tile.cuh"

namespace gpuinfer::backend::cuda {
namespace {

/// About as many as the largest GPUs have multiprocessors: where there are fewer blocks of many rows than that, blocks
/// of few rows keep more of the GPU busy.
constexpr std::int64_t kEnoughBlocks = 128;

// budget <1, 1>: 128 registers, 640 shared bytes, HMMA, LDG.128
// budget <2, 4>: 255 registers, 4608 shared bytes, HMMA, LDG.128
// budget <2, 8>: 255 registers, 9216 shared bytes, 24 stack bytes, HMMA, LDG.128
// Of those 24 bytes, on sm_90, what a lane reads back in a chunk of 128 columns is 16, beside 768 from the caches.
template <int kRowTiles, int kTokenTiles>
GPU_KERNEL(kProductThreads)
product_kernel(const Product step) {
  wait_and_multiply<kRowTiles, kTokenTiles>(step);
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

template <int kRowTiles, int kTokenTiles>
void launch(const Product& step, Stream stream) {
  ptx::launch("product", product_kernel<kRowTiles, kTokenTiles>,
              product_grid(step, kRowTiles * kTileRows, kTokenTiles * kTileTokens), stream, step);
}

/// For more than one tile of tokens.
template <int kTokenTiles>
void launch_wide_if_enough(const Product& step, Stream stream) {
  ptx::Grid wide = product_grid(step, kWideRows, kTokenTiles * kTileTokens);
  if (wide.x * wide.y < kEnoughBlocks) return launch<2, kTokenTiles>(step, stream);
  wide.dynamic_shared_bytes = wide_shared_bytes(kTokenTiles);
  ptx::launch("wide_product", wide_product_kernel<kTokenTiles>, wide, stream, step);
}

}  // namespace

void check(const Product& step) {
  if (step.columns % 8 != 0) throw std::invalid_argument("a product's columns are a multiple of 8");
}

void multiply(const Product& step, Stream stream) {
  check(step);
  if (step.tokens <= kFewTokens) {
    launch<1, 1>(step, stream);
  } else if (step.tokens <= 32) {
    launch_wide_if_enough<4>(step, stream);
  } else {
    launch_wide_if_enough<8>(step, stream);
  }
}

}  // namespace gpuinfer::backend::cuda
