// Blocks of few rows compute the scores, and the last one to finish sorts the batch.
#include "runtime/backend/cuda/fused_router.hpp"

#include "runtime/backend/cuda/product.cuh"
#include "runtime/backend/cuda/ptx/arrival.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/router.cuh"

namespace gpuinfer::backend::cuda {
namespace {

// budget: 128 registers, 4752 shared bytes, HMMA, LDG.128, MEMBAR, ATOMG, CCTL.IVALL
GPU_KERNEL(kProductThreads) multiply_and_route_kernel(const FusedRouter step) {
  wait_and_multiply<1, 1>(step.product);
  const auto blocks = static_cast<int>((step.product.rows + kTileRows - 1) / kTileRows);
  if (ptx::arrives_last(step.arrivals, blocks)) route_batch(step.routing);
}

}  // namespace

void multiply_and_route(const FusedRouter& step, Stream stream) {
  check(step.product);
  check(step.routing);
  if (step.product.tokens > kFewTokens) {
    multiply(step.product, stream);
    return route(step.routing, stream);
  }
  ptx::launch("multiply_and_route", multiply_and_route_kernel, product_grid(step.product, kTileRows, kTileTokens),
              stream, step);
}

}  // namespace gpuinfer::backend::cuda
