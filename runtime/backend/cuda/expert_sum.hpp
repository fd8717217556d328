// What a token gets from the experts that it was given to.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/stream.hpp"

namespace gpuinfer::backend::cuda {

/// out[t, i] = Σ over the token's picks p of weights[t, p] · results[rows[t, p], i], the best pick first, without those
/// that have no row.
struct ExpertSum {
  const float* results = nullptr;      ///< [tokens · picks, hidden_size], of the experts' last product
  const float* weights = nullptr;      ///< [tokens, picks], of Routing
  const std::int32_t* rows = nullptr;  ///< [tokens, picks], of Routing; -1: none
  float* out = nullptr;                ///< [tokens, hidden_size]
  std::int64_t tokens = 0;
  std::int64_t picks = 0;
  std::int64_t hidden_size = 0;
};

void add_experts(const ExpertSum& step, Stream stream);

inline Cost cost(const ExpertSum& step) {
  const std::int64_t numbers = step.tokens * step.hidden_size;
  return {.bytes = numbers * (step.picks + 1) * 4 + step.tokens * step.picks * 8, .flops = numbers * step.picks * 2};
}

}  // namespace gpuinfer::backend::cuda
