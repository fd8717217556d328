// One block copies one token's row.
#include "runtime/backend/cuda/embedding.hpp"

#include "runtime/backend/cuda/bfloat16.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"

namespace gpuinfer::backend::cuda {
namespace {

constexpr int kThreads = 256;

// budget: 32 registers
GPU_KERNEL(kThreads) embed_kernel(const Embedding step) {
  ptx::wait_for_previous_launch();
  const std::int64_t token = ptx::block_x();
  std::int64_t id = step.ids[token];
  if (id < 0) id = step.chosen[-1 - id].id;
  const Bfloat16* row = step.table + (id < 0 ? 0 : id) * step.hidden_size;
  float* out = step.hidden + token * step.hidden_size;
  for (std::int64_t i = ptx::thread_index(); i < step.hidden_size; i += kThreads)
    out[i] = step.scale * to_float(row[i]);
}

}  // namespace

void embed(const Embedding& step, Stream stream) {
  ptx::launch("embed", embed_kernel, {.x = step.tokens, .threads = kThreads}, stream, step);
}

}  // namespace gpuinfer::backend::cuda
