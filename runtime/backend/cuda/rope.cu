// A warp prepares one head of one token.
#include "runtime/backend/cuda/rope.hpp"

#include <cmath>

#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/math.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"
#include "runtime/backend/cuda/rope.cuh"

namespace gpuinfer::backend::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / ptx::kWarpLanes;

/// The turns are multiplied in double precision, and whole ones dropped before they become float32: at position 131,072
/// a float32 would be wrong by a hundredth of a radian.
// budget: 32 registers
GPU_KERNEL(kThreads) rope_angles_kernel(const RopeAngles step) {
  ptx::wait_for_previous_launch();
  const std::int64_t half = step.head_dim / 2;
  const std::int64_t token = ptx::block_x();
  for (std::int64_t i = ptx::thread_index(); i < half; i += kThreads) {
    const double turns = step.positions[token] * step.turns_per_position[i];
    const ptx::SineCosine angle = ptx::sine_cosine_of_turns(static_cast<float>(turns - rint(turns)));
    step.cosines[token * half + i] = step.magnitude * angle.cosine;
    step.sines[token * half + i] = step.magnitude * angle.sine;
  }
}

/// Blocks: tokens, heads by kWarps.
// budget: 64 registers
GPU_KERNEL(kThreads) rotate_and_store_kernel(const RotateAndStore step) {
  ptx::wait_for_previous_launch();
  const std::int64_t token = ptx::block_x();
  const std::int64_t i = ptx::block_y() * kWarps + ptx::warp_index();
  if (i < step.heads + 2 * step.kv_heads) store_head(step, token, i);
}

}  // namespace

void compute_rope_angles(const RopeAngles& step, Stream stream) {
  ptx::launch("compute_rope_angles", rope_angles_kernel, {.x = step.tokens, .threads = kThreads}, stream, step);
}

void rotate_and_store(const RotateAndStore& step, Stream stream) {
  const std::int64_t all_heads = step.heads + 2 * step.kv_heads;
  ptx::launch("rotate_and_store", rotate_and_store_kernel,
              {.x = step.tokens, .y = (all_heads + kWarps - 1) / kWarps, .threads = kThreads}, stream, step);
}

}  // namespace gpuinfer::backend::cuda
