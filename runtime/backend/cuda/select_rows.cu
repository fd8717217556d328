// One block copies one row.
#include "runtime/backend/cuda/select_rows.hpp"

#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"

namespace gpuinfer::backend::cuda {
namespace {

constexpr int kThreads = 256;

// budget: 40 registers
GPU_KERNEL(kThreads) select_rows_kernel(const SelectRows step) {
  ptx::wait_for_previous_launch();
  const Bfloat16* from = step.x + step.rows[ptx::block_x()] * step.columns;
  Bfloat16* out = step.out + ptx::block_x() * step.columns;
  for (std::int64_t i = ptx::thread_index(); i < step.columns; i += kThreads) out[i] = from[i];
}

}  // namespace

void select_rows(const SelectRows& step, Stream stream) {
  ptx::launch("select_rows", select_rows_kernel, {.x = step.count, .threads = kThreads}, stream, step);
}

}  // namespace gpuinfer::backend::cuda
