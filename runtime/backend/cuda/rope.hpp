// From the product with q, k and v to what attention reads: rotary position embedding (Su et al., 2021), and keys and
// values in their pages.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/stream.hpp"

namespace gpuinfer::backend::cuda {

/// By how much each pair (i, i + head_dim/2) of a token's heads turns: once in a step for each of the model's RoPEs.
struct RopeAngles {
  const double* turns_per_position = nullptr;  ///< [head_dim / 2]: inverse frequencies / 2π
  float magnitude = 1;                         ///< YaRN's attention factor
  const std::int32_t* positions = nullptr;     ///< [tokens]
  float* cosines = nullptr;                    ///< [tokens, head_dim / 2], times magnitude
  float* sines = nullptr;                      ///< the same
  std::int64_t tokens = 0;
  std::int64_t head_dim = 0;
};

void compute_rope_angles(const RopeAngles& step, Stream stream);

inline Cost cost(const RopeAngles& step) {
  const std::int64_t pairs = step.tokens * step.head_dim / 2;
  return {.bytes = step.head_dim / 2 * 8 + step.tokens * 4 + pairs * 8, .flops = pairs * 4};
}

/// For each token: heads of q and k are normalised where the model has weights for that (Qwen3, Gemma 3), and rotated;
/// q is rounded to bfloat16, k and v go into the token's slot of the KV cache.
struct RotateAndStore {
  const float* qkv = nullptr;           ///< [tokens, heads + 2 · kv_heads, head_dim]: q, k, v side by side
  const float* q_norm = nullptr;        ///< [head_dim], or null
  const float* k_norm = nullptr;        ///< [head_dim], or null
  const float* cosines = nullptr;       ///< of RopeAngles
  const float* sines = nullptr;         ///< of RopeAngles
  const std::int32_t* slots = nullptr;  ///< [tokens]: page · kPageTokens + place in the page
  Bfloat16* queries = nullptr;          ///< [tokens, heads, head_dim]
  Bfloat16* keys = nullptr;             ///< [pages, kv_heads, kPageTokens, head_dim]
  Bfloat16* values = nullptr;           ///< the same
  std::int64_t tokens = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  float epsilon = 0;  ///< of the norms
};

void rotate_and_store(const RotateAndStore& step, Stream stream);

inline Cost cost(const RotateAndStore& step) {
  const std::int64_t numbers = step.tokens * (step.heads + 2 * step.kv_heads) * step.head_dim;
  const std::int64_t rotated = step.tokens * (step.heads + step.kv_heads) * step.head_dim;
  return {.bytes = numbers * (4 + 2) + step.tokens * (step.head_dim * 4 + 4), .flops = rotated * 3};
}

}  // namespace gpuinfer::backend::cuda
