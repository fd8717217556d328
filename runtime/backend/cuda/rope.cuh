// What a warp does to one head of q, k or v of one token, as it comes from the product.
#pragma once

#include <cmath>
#include <cstdint>

#include "runtime/backend/backend.hpp"
#include "runtime/backend/cuda/bfloat16.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/warp.cuh"
#include "runtime/backend/cuda/reduce.cuh"
#include "runtime/backend/cuda/rope.hpp"

namespace gpuinfer::backend::cuda {

/// What the warp does to one head of q or k: normalise with `weight` unless that is null, rotate, round. Products that
/// are added to something are fused here, not where a compiler likes: in every kernel the bits are the same.
GPU_DEVICE void rotate_head(const RotateAndStore& step, std::int64_t token, const float* head, const float* weight,
                            Bfloat16* out) {
  const std::int64_t half = step.head_dim / 2;
  float scale = 1;
  if (weight != nullptr) {
    float squares = 0;
    for (std::int64_t i = ptx::lane_index(); i < step.head_dim; i += ptx::kWarpLanes)
      squares = fmaf(head[i], head[i], squares);
    scale = 1 / sqrtf(warp_sum(squares) / static_cast<float>(step.head_dim) + step.epsilon);
  }
  for (std::int64_t i = ptx::lane_index(); i < half; i += ptx::kWarpLanes) {
    const float first = head[i] * scale * (weight != nullptr ? weight[i] : 1);
    const float second = head[i + half] * scale * (weight != nullptr ? weight[i + half] : 1);
    const float cosine = step.cosines[token * half + i];
    const float sine = step.sines[token * half + i];
    out[i] = to_bfloat16(fmaf(first, cosine, -(second * sine)));
    out[i + half] = to_bfloat16(fmaf(second, cosine, first * sine));
  }
}

/// Head `i` of q, k and v side by side goes to the queries, or into the token's slot of the cache.
GPU_DEVICE void store_head(const RotateAndStore& step, std::int64_t token, std::int64_t i) {
  const std::int64_t slot = step.slots[token];
  const auto cached = [&](Bfloat16* cache, std::int64_t kv_head) {
    const std::int64_t row = (slot / kPageTokens * step.kv_heads + kv_head) * kPageTokens + slot % kPageTokens;
    return cache + row * step.head_dim;
  };
  const float* head = step.qkv + (token * (step.heads + 2 * step.kv_heads) + i) * step.head_dim;
  if (i < step.heads) {
    rotate_head(step, token, head, step.q_norm, step.queries + (token * step.heads + i) * step.head_dim);
  } else if (i < step.heads + step.kv_heads) {
    rotate_head(step, token, head, step.k_norm, cached(step.keys, i - step.heads));
  } else {
    Bfloat16* value = cached(step.values, i - step.heads - step.kv_heads);
    for (std::int64_t d = ptx::lane_index(); d < step.head_dim; d += ptx::kWarpLanes) value[d] = to_bfloat16(head[d]);
  }
}

}  // namespace gpuinfer::backend::cuda
