// One block sorts the whole batch.
#include "runtime/backend/cuda/router.hpp"

#include <stdexcept>

#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"
#include "runtime/backend/cuda/router.cuh"

namespace gpuinfer::backend::cuda {
namespace {

constexpr int kThreads = 1024;

// There is one block: nothing is won by room for another.
// budget: 64 registers, 4096 shared bytes
GPU_KERNEL_OF_BLOCKS(kThreads, 1) route_kernel(const Routing step) {
  ptx::wait_for_previous_launch();
  route_batch(step);
}

}  // namespace

void check(const Routing& step) {
  if (step.experts > kMaximumExperts || step.picks > step.experts ||
      step.first_expert + step.own_experts > step.experts) {
    throw std::invalid_argument("a router picks from at most 1024 experts, and not more than there are");
  }
}

void route(const Routing& step, Stream stream) {
  check(step);
  if (step.tokens == 0) return;
  ptx::launch("route", route_kernel, {.threads = kThreads}, stream, step);
}

}  // namespace gpuinfer::backend::cuda
