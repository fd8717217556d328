// The first step of a forward pass: tokens become vectors.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/stream.hpp"
#include "runtime/backend/token_sampling.hpp"

namespace gpuinfer::backend::cuda {

/// In place of a token's id: it is the one that the step before chose at `place` among its own.
constexpr std::int32_t chosen_id(std::size_t place) { return -1 - static_cast<std::int32_t>(place); }

/// hidden[t, i] = scale · table[ids[t], i]
struct Embedding {
  const Bfloat16* table = nullptr;  ///< [vocab, hidden_size]
  float scale = 1;
  const std::int32_t* ids = nullptr;     ///< [tokens]: ids, or chosen_id()s
  const SampledToken* chosen = nullptr;  ///< by the step before; where it has chosen none, any row is taken
  float* hidden = nullptr;               ///< [tokens, hidden_size]
  std::int64_t tokens = 0;
  std::int64_t hidden_size = 0;
};

void embed(const Embedding& step, Stream stream);

inline Cost cost(const Embedding& step) {
  const std::int64_t numbers = step.tokens * step.hidden_size;
  return {.bytes = numbers * 6 + step.tokens * 4, .flops = numbers};
}

}  // namespace gpuinfer::backend::cuda
