// A warp prepares one head of one token.
#include "runtime/backend/cuda/rope.hpp"

#include <cmath>

#include "runtime/backend/backend.hpp"
#include "runtime/backend/cuda/bfloat16.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/math.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"
#include "runtime/backend/cuda/reduce.cuh"

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

/// What the warp does to one head of q or k: normalise with `weight` unless that is null, rotate, round.
GPU_DEVICE void rotate_head(const RotateAndStore& step, std::int64_t token, const float* head, const float* weight,
                            Bfloat16* out) {
  const std::int64_t half = step.head_dim / 2;
  float scale = 1;
  if (weight != nullptr) {
    float squares = 0;
    for (std::int64_t i = ptx::lane_index(); i < step.head_dim; i += ptx::kWarpLanes) squares += head[i] * head[i];
    scale = 1 / sqrtf(warp_sum(squares) / static_cast<float>(step.head_dim) + step.epsilon);
  }
  for (std::int64_t i = ptx::lane_index(); i < half; i += ptx::kWarpLanes) {
    const float first = head[i] * scale * (weight != nullptr ? weight[i] : 1);
    const float second = head[i + half] * scale * (weight != nullptr ? weight[i + half] : 1);
    const float cosine = step.cosines[token * half + i];
    const float sine = step.sines[token * half + i];
    out[i] = to_bfloat16(first * cosine - second * sine);
    out[i + half] = to_bfloat16(second * cosine + first * sine);
  }
}

/// Blocks: tokens, heads by kWarps.
// budget: 64 registers
GPU_KERNEL(kThreads) rotate_and_store_kernel(const RotateAndStore step) {
  ptx::wait_for_previous_launch();
  const std::int64_t token = ptx::block_x();
  const std::int64_t i = ptx::block_y() * kWarps + ptx::warp_index();
  const std::int64_t all_heads = step.heads + 2 * step.kv_heads;
  if (i >= all_heads) return;
  const std::int64_t slot = step.slots[token];
  const auto cached = [&](Bfloat16* cache, std::int64_t kv_head) {
    const std::int64_t row = (slot / kPageTokens * step.kv_heads + kv_head) * kPageTokens + slot % kPageTokens;
    return cache + row * step.head_dim;
  };
  const float* head = step.qkv + (token * all_heads + i) * step.head_dim;
  if (i < step.heads) {
    rotate_head(step, token, head, step.q_norm, step.queries + (token * step.heads + i) * step.head_dim);
  } else if (i < step.heads + step.kv_heads) {
    rotate_head(step, token, head, step.k_norm, cached(step.keys, i - step.heads));
  } else {
    Bfloat16* value = cached(step.values, i - step.heads - step.kv_heads);
    for (std::int64_t d = ptx::lane_index(); d < step.head_dim; d += ptx::kWarpLanes) value[d] = to_bfloat16(head[d]);
  }
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
