// Blocks of few rows compute parts of heads, and the last one of a head to finish stores it.
#include "runtime/backend/cuda/fused_qkv.hpp"

#include "runtime/backend/cuda/product.cuh"
#include "runtime/backend/cuda/ptx/arrival.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/rope.cuh"

namespace gpuinfer::backend::cuda {
namespace {

// budget: 128 registers, 656 shared bytes, HMMA, LDG.128, MEMBAR, ATOMG, CCTL.IVALL
GPU_KERNEL(kProductThreads) multiply_and_store_kernel(const FusedQkv step) {
  wait_and_multiply<1, 1>(step.product);
  const int head_blocks = static_cast<int>(step.storing.head_dim) / kTileRows;
  const int head = ptx::block_y() / head_blocks;
  if (!ptx::arrives_last(step.arrivals + head, head_blocks)) return;
  for (int token = ptx::warp_index(); token < step.storing.tokens; token += ptx::block_warps()) {
    store_head(step.storing, token, head);
  }
}

}  // namespace

void multiply_and_store(const FusedQkv& step, Stream stream) {
  if (step.product.tokens > kFewTokens || step.storing.head_dim % kTileRows != 0) {
    multiply(step.product, stream);
    return rotate_and_store(step.storing, stream);
  }
  check(step.product);
  ptx::launch("multiply_and_store", multiply_and_store_kernel, product_grid(step.product, kTileRows, kTileTokens),
              stream, step);
}

}  // namespace gpuinfer::backend::cuda
