// What several GPUs computed a part of.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/stream.hpp"

namespace gpuinfer::backend::cuda {

/// out[i] = parts[0, i] + parts[1, i] + ..., in this order: the same bits on every GPU and in every batch. (NCCL's own
/// sums promise no order.)
struct RankSum {
  const float* parts = nullptr;  ///< [ranks, numbers], aligned to 16 bytes
  float* out = nullptr;          ///< [numbers], likewise
  std::int64_t ranks = 0;
  std::int64_t numbers = 0;  ///< a multiple of 4
};

/// Throws std::invalid_argument where `numbers` is no multiple of 4.
void add_ranks(const RankSum& step, Stream stream);

inline Cost cost(const RankSum& step) {
  return {.bytes = (step.ranks + 1) * step.numbers * 4, .flops = (step.ranks - 1) * step.numbers};
}

}  // namespace gpuinfer::backend::cuda
