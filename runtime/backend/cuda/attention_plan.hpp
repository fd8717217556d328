// How a batch's attention is cut into work for warps: decided on the host, once in a step for all layers of a KV group.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/backend/cuda/attention.hpp"
#include "runtime/backend/cuda/cost.hpp"

namespace gpuinfer::backend::cuda {

/// What the plan needs to know of the layers.
struct AttentionHeads {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t window = 0;  ///< as in Attention
};

/// What the GPU offers.
struct AttentionResources {
  /// Warps that keep it busy: work is cut into that many runs of segments, if it has as many.
  std::int64_t warps = 1;
  /// Segments that Attention's partial results have room for.
  std::int64_t partials = 0;
};

struct AttentionPlan {
  std::vector<AttentionTile> tiles;   ///< neighbours read the same keys, or those that follow
  std::vector<AttentionTile> merges;  ///< tiles that are cut into several: all their segments
  std::int64_t partials = 0;          ///< in use
  std::int64_t tokens = 0;
  std::int64_t keys_seen = 0;  ///< positions of each slice that any of its tokens sees
  std::int64_t scores = 0;     ///< pairs of a token and a position that it sees
};

/// Results do not depend on the resources. Where the room for partial results is used up, tiles stay whole.
AttentionPlan plan_attention(std::span<const AttentionSlice> slices, const AttentionHeads& heads,
                             const AttentionResources& resources);

inline Cost cost(const Attention& step, const AttentionPlan& plan) {
  return {.bytes = (plan.keys_seen * step.kv_heads + plan.tokens * step.heads) * step.head_dim * 4,
          .flops = plan.scores * step.heads * step.head_dim * 4};
}

}  // namespace gpuinfer::backend::cuda
