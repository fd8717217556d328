// One block normalises one token. A thread meets the same columns in every loop, so it sees its own writes.
#include "runtime/backend/cuda/rms_norm.hpp"

#include <cmath>

#include "runtime/backend/cuda/bfloat16.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"
#include "runtime/backend/cuda/reduce.cuh"

namespace gpuinfer::backend::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / ptx::kWarpLanes;

/// By what a row is multiplied so that the mean of its squares becomes one.
GPU_DEVICE float inverse_rms(float squares, std::int64_t columns, float epsilon, float* partial) {
  return 1 / sqrtf(block_sum(squares, partial) / static_cast<float>(columns) + epsilon);
}

// budget: 40 registers, 64 shared bytes
GPU_KERNEL(kThreads) add_rms_norm_kernel(const AddRmsNorm step) {
  ptx::wait_for_previous_launch();
  GPU_SHARED(float, branch_partial, kWarps);
  GPU_SHARED(float, hidden_partial, kWarps);
  const std::int64_t row = ptx::block_x() * step.hidden_size;
  float* hidden = step.hidden + row;

  if (step.branch != nullptr) {
    const float* branch = step.branch + row;
    if (step.branch_weight != nullptr) {
      float squares = 0;
      for (std::int64_t i = ptx::thread_index(); i < step.hidden_size; i += kThreads) squares += branch[i] * branch[i];
      const float scale = inverse_rms(squares, step.hidden_size, step.epsilon, branch_partial);
      for (std::int64_t i = ptx::thread_index(); i < step.hidden_size; i += kThreads) {
        hidden[i] += branch[i] * scale * step.branch_weight[i];
      }
    } else {
      for (std::int64_t i = ptx::thread_index(); i < step.hidden_size; i += kThreads) hidden[i] += branch[i];
    }
  }

  float squares = 0;
  for (std::int64_t i = ptx::thread_index(); i < step.hidden_size; i += kThreads) squares += hidden[i] * hidden[i];
  const float scale = inverse_rms(squares, step.hidden_size, step.epsilon, hidden_partial);
  for (std::int64_t i = ptx::thread_index(); i < step.hidden_size; i += kThreads) {
    step.out[row + i] = to_bfloat16(hidden[i] * scale * step.weight[i]);
  }
}

}  // namespace

void add_rms_norm(const AddRmsNorm& step, Stream stream) {
  ptx::launch("add_rms_norm", add_rms_norm_kernel, {.x = step.tokens, .threads = kThreads}, stream, step);
}

}  // namespace gpuinfer::backend::cuda
