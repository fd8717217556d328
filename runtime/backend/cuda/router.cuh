// What one block does to route a batch: a warp picks the experts of a token, then finds the rows of an expert.
#pragma once

#include <cmath>
#include <cstdint>

#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/math.cuh"
#include "runtime/backend/cuda/ptx/warp.cuh"
#include "runtime/backend/cuda/reduce.cuh"
#include "runtime/backend/cuda/router.hpp"

namespace gpuinfer::backend::cuda {

struct Candidate {
  float score;
  int expert;

  GPU_DEVICE bool is_better_than(const Candidate& other) const {
    return score > other.score || (score == other.score && expert < other.expert);
  }
};

/// The best candidate that is worse than `previous`.
GPU_DEVICE Candidate pick_next(const float* scores, int experts, const Candidate& previous) {
  Candidate best = {-INFINITY, experts};
  for (int expert = ptx::lane_index(); expert < experts; expert += ptx::kWarpLanes) {
    const Candidate candidate = {fmaxf(scores[expert], -INFINITY), expert};
    if (previous.is_better_than(candidate) && candidate.is_better_than(best)) best = candidate;
  }
  for (int step = ptx::kWarpLanes / 2; step > 0; step /= 2) {
    const Candidate other = {ptx::shuffle_xor(best.score, step), ptx::shuffle_xor(best.expert, step)};
    if (other.is_better_than(best)) best = other;
  }
  return best;
}

GPU_DEVICE void pick_experts(const Routing& step, std::int64_t token) {
  const float* scores = step.scores + token * step.experts;
  const auto experts = static_cast<int>(step.experts);
  const std::int64_t first = token * step.picks;
  float total = 0;
  float best = 0;
  Candidate pick = {INFINITY, -1};
  for (int rank = 0; rank < step.picks; ++rank) {
    pick = pick_next(scores, experts, pick);
    if (rank == 0) best = pick.score;
    const float weight = expf(pick.score - best);
    total = ptx::add_unfused(total, weight);
    if (ptx::lane_index() == 0) {
      step.picked[first + rank] = pick.expert;
      step.rows[first + rank] = -1;
      step.weights[first + rank] = weight;
    }
  }
  if (!step.softmax_over_picked) {
    float sum = 0;
    for (int expert = ptx::lane_index(); expert < experts; expert += ptx::kWarpLanes) {
      sum = ptx::add_unfused(sum, expf(scores[expert] - best));
    }
    total = warp_sum(sum);
  }
  if (ptx::lane_index() == 0) {
    for (int rank = 0; rank < step.picks; ++rank) step.weights[first + rank] /= total;
  }
}

/// Calls visit(pick, how many before it) for the lane's picks that went to `expert`, and returns how many there are for
/// the whole warp.
template <typename Visit>
GPU_DEVICE int for_each_pick_of(const Routing& step, int expert, Visit visit) {
  const auto picks = static_cast<int>(step.tokens * step.picks);
  const std::uint32_t lanes_below = (1U << ptx::lane_index()) - 1;
  int count = 0;
  for (int begin = 0; begin < picks; begin += ptx::kWarpLanes) {
    const int pick = begin + ptx::lane_index();
    const bool is_its = pick < picks && step.picked[pick] == expert;
    const std::uint32_t lanes = ptx::ballot(is_its);
    if (is_its) visit(pick, count + ptx::count_bits(lanes & lanes_below));
    count += ptx::count_bits(lanes);
  }
  return count;
}

/// The whole of a Routing, by all threads of the block, however many these are.
GPU_DEVICE void route_batch(const Routing& step) {
  GPU_SHARED(int, counts, kMaximumExperts);
  const auto experts = static_cast<int>(step.experts);
  const auto tile_rows = static_cast<int>(step.tile_rows);
  const auto tiles_of = [&](int expert) { return (counts[expert] + tile_rows - 1) / tile_rows; };

  for (int token = ptx::warp_index(); token < step.tokens; token += ptx::block_warps()) pick_experts(step, token);
  ptx::block_barrier();
  for (int expert = ptx::warp_index(); expert < experts; expert += ptx::block_warps()) {
    const bool is_here = expert >= step.first_expert && expert < step.first_expert + step.own_experts;
    const int count = is_here ? for_each_pick_of(step, expert, [](int /*pick*/, int /*before*/) {}) : 0;
    if (ptx::lane_index() == 0) counts[expert] = count;
  }
  ptx::block_barrier();
  for (int expert = ptx::warp_index(); expert <= experts; expert += ptx::block_warps()) {
    if (expert < experts && counts[expert] == 0) continue;
    int first_row = 0;
    int first_tile = 0;
    for (int before = ptx::lane_index(); before < expert; before += ptx::kWarpLanes) {
      first_row += counts[before];
      first_tile += tiles_of(before);
    }
    first_row = warp_sum(first_row);
    first_tile = warp_sum(first_tile);
    if (expert == experts) {
      const auto maximum = static_cast<int>(step.maximum_tiles());
      for (int tile = first_tile + ptx::lane_index(); tile < maximum; tile += ptx::kWarpLanes) step.tiles[tile] = {};
      break;
    }
    for_each_pick_of(step, expert, [&](int pick, int before) {
      step.rows[pick] = first_row + before;
      step.tokens_of_rows[first_row + before] = pick / static_cast<int>(step.picks);
    });
    for (int tile = ptx::lane_index(); tile < tiles_of(expert); tile += ptx::kWarpLanes) {
      const int begin = tile * tile_rows;
      const int left = counts[expert] - begin;
      step.tiles[first_tile + tile] = {expert - static_cast<int>(step.first_expert), first_row + begin,
                                       left < tile_rows ? left : tile_rows};
    }
  }
}

}  // namespace gpuinfer::backend::cuda
