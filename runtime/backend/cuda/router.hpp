// Which experts of a mixture compute which tokens, and the tokens sorted by expert for their products.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/stream.hpp"

namespace gpuinfer::backend::cuda {

/// What a block of an expert's product computes: some of the expert's rows.
struct ExpertTile {
  std::int32_t expert;
  std::int32_t first_row;
  std::int32_t rows;  ///< 0: nothing
};

/// For each token the experts with the highest scores, the first of equals, each with its part of the softmax over
/// those picked, or over all experts. A score that is NaN counts as the lowest. Each pick becomes a row; rows are
/// sorted by expert, those of one expert in the order of their tokens. No expert has a tile that is not full but its
/// last. Where other GPUs have some of the experts, picks of those become no rows here.
struct Routing {
  const float* scores = nullptr;           ///< [tokens, experts], the result of the router's product
  std::int32_t* picked = nullptr;          ///< [tokens, picks]: experts, the best first
  float* weights = nullptr;                ///< [tokens, picks]
  std::int32_t* rows = nullptr;            ///< [tokens, picks]: the row of each pick; -1: another GPU's
  std::int32_t* tokens_of_rows = nullptr;  ///< [tokens · picks]
  ExpertTile* tiles = nullptr;             ///< [maximum_tiles()]
  std::int64_t tokens = 0;
  std::int64_t experts = 0;  ///< at most kMaximumExperts
  std::int64_t picks = 0;    ///< at most `experts`
  std::int64_t first_expert = 0;
  std::int64_t own_experts = experts;  ///< that are here, from first_expert on: a tile's expert counts from there
  std::int64_t tile_rows = 0;
  bool softmax_over_picked = true;

  /// The host cannot know how many tiles there are. So many there are at most: one for each expert that can have a row,
  /// and one more for every tile_rows rows that are left.
  constexpr std::int64_t maximum_tiles() const {
    const std::int64_t all_rows = tokens * picks;
    const std::int64_t active = std::min(own_experts, all_rows);
    return active + (all_rows - active) / tile_rows;
  }
};

inline constexpr std::int64_t kMaximumExperts = 1024;

/// Throws std::invalid_argument where there are more experts than kMaximumExperts, or more picks than experts.
void check(const Routing& step);

/// Throws as check().
void route(const Routing& step, Stream stream);

inline Cost cost(const Routing& step) {
  return {.bytes = step.tokens * step.experts * 4 + step.tokens * step.picks * 4 * 4 + step.maximum_tiles() * 12,
          .flops = step.tokens * (step.experts * step.picks + step.picks * 3)};
}

}  // namespace gpuinfer::backend::cuda
