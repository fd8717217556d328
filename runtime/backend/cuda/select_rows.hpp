// Keeping the tokens whose logits are wanted.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/stream.hpp"

namespace gpuinfer::backend::cuda {

/// out[i] = x[rows[i]]
struct SelectRows {
  const Bfloat16* x = nullptr;         ///< [any number of rows, columns]
  const std::int32_t* rows = nullptr;  ///< [count]
  Bfloat16* out = nullptr;             ///< [count, columns]
  std::int64_t count = 0;
  std::int64_t columns = 0;
};

void select_rows(const SelectRows& step, Stream stream);

inline Cost cost(const SelectRows& step) { return {.bytes = step.count * (step.columns * 4 + 4), .flops = 0}; }

}  // namespace gpuinfer::backend::cuda
