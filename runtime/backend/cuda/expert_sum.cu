// One block sums for one token.
#include "runtime/backend/cuda/expert_sum.hpp"

#include <cmath>

#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"

namespace gpuinfer::backend::cuda {
namespace {

constexpr int kThreads = 256;

// budget: 40 registers
GPU_KERNEL(kThreads) add_experts_kernel(const ExpertSum step) {
  ptx::wait_for_previous_launch();
  const std::int64_t token = ptx::block_x();
  const float* weights = step.weights + token * step.picks;
  const std::int32_t* rows = step.rows + token * step.picks;
  for (std::int64_t i = ptx::thread_index(); i < step.hidden_size; i += kThreads) {
    float sum = 0;
    for (std::int64_t pick = 0; pick < step.picks; ++pick) {
      if (rows[pick] >= 0) sum = fmaf(weights[pick], step.results[rows[pick] * step.hidden_size + i], sum);
    }
    step.out[token * step.hidden_size + i] = sum;
  }
}

}  // namespace

void add_experts(const ExpertSum& step, Stream stream) {
  ptx::launch("add_experts", add_experts_kernel, {.x = step.tokens, .threads = kThreads}, stream, step);
}

}  // namespace gpuinfer::backend::cuda
