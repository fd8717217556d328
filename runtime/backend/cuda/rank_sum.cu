// One thread sums four numbers.
#include "runtime/backend/cuda/rank_sum.hpp"

#include <stdexcept>

#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/memory.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"

namespace gpuinfer::backend::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kNumbers = 4;

// budget: 40 registers, LDG.128
GPU_KERNEL(kThreads) add_ranks_kernel(const RankSum step) {
  ptx::wait_for_previous_launch();
  const std::int64_t first = (std::int64_t{ptx::block_x()} * kThreads + ptx::thread_index()) * kNumbers;
  if (first >= step.numbers) return;
  ptx::SixteenBytes<float> sum = ptx::load_16_bytes<float>(step.parts + first);
  for (std::int64_t rank = 1; rank < step.ranks; ++rank) {
    const auto part = ptx::load_16_bytes<float>(step.parts + rank * step.numbers + first);
    GPU_UNROLL
    for (int i = 0; i < kNumbers; ++i) sum.values[i] += part.values[i];
  }
  ptx::store_16_bytes(step.out + first, sum);
}

}  // namespace

void add_ranks(const RankSum& step, Stream stream) {
  constexpr std::int64_t kBlockNumbers = kThreads * kNumbers;
  if (step.numbers % kNumbers != 0) throw std::invalid_argument("ranks are added four numbers at a time");
  ptx::launch("add_ranks", add_ranks_kernel,
              {.x = (step.numbers + kBlockNumbers - 1) / kBlockNumbers, .threads = kThreads}, stream, step);
}

}  // namespace gpuinfer::backend::cuda
