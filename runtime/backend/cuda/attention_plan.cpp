#include "runtime/backend/cuda/attention_plan.hpp"

#include <algorithm>

namespace gpuinfer::backend::cuda {
namespace {

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The first position that the query at `position` sees.
std::int64_t first_seen(std::int64_t position, std::int64_t window) {
  return window > 0 ? std::max<std::int64_t>(0, position + 1 - window) : 0;
}

/// The slice's queries, with all the segments that they see.
std::vector<AttentionTile> whole_tiles(const AttentionSlice& slice, std::size_t index, const AttentionHeads& heads) {
  const std::int64_t group = heads.heads / heads.kv_heads;
  const std::int64_t queries = slice.tokens * group;
  std::vector<AttentionTile> tiles;
  for (std::int64_t first = 0; first < queries; first += kTileQueries) {
    const std::int64_t last = std::min(first + kTileQueries, queries) - 1;
    const std::int64_t from = first_seen(slice.position + first / group, heads.window) / kSegmentTokens;
    const std::int64_t to = (slice.position + last / group) / kSegmentTokens + 1;
    tiles.push_back({.slice = static_cast<std::int32_t>(index),
                     .first_query = static_cast<std::int32_t>(first),
                     .first_segment = static_cast<std::int32_t>(from),
                     .end_segment = static_cast<std::int32_t>(to)});
  }
  return tiles;
}

std::int64_t segments(const AttentionTile& tile) { return tile.end_segment - tile.first_segment; }

/// The parts of `tile`, whose partial results begin at its `partial`, with `run` segments each.
void add_runs(const AttentionTile& tile, std::int64_t run, std::vector<AttentionTile>& tiles) {
  for (std::int64_t begin = 0; begin < segments(tile); begin += run) {
    AttentionTile part = tile;
    part.first_segment = static_cast<std::int32_t>(tile.first_segment + begin);
    part.end_segment = static_cast<std::int32_t>(std::min<std::int64_t>(part.first_segment + run, tile.end_segment));
    part.partial = static_cast<std::int32_t>(tile.partial + begin);
    tiles.push_back(part);
  }
}

void count(const AttentionSlice& slice, const AttentionHeads& heads, AttentionPlan& plan) {
  plan.tokens += slice.tokens;
  plan.keys_seen += slice.position + slice.tokens - first_seen(slice.position, heads.window);
  for (std::int64_t position = slice.position; position < slice.position + slice.tokens; ++position) {
    plan.scores += position + 1 - first_seen(position, heads.window);
  }
}

}  // namespace

AttentionPlan plan_attention(std::span<const AttentionSlice> slices, const AttentionHeads& heads,
                             const AttentionResources& resources) {
  AttentionPlan plan;
  std::vector<AttentionTile> whole;
  std::int64_t all_segments = 0;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    count(slices[i], heads, plan);
    for (const AttentionTile& tile : whole_tiles(slices[i], i, heads)) {
      whole.push_back(tile);
      all_segments += segments(tile);
    }
  }
  const std::int64_t run = std::max<std::int64_t>(1, divide_up(all_segments * heads.kv_heads, resources.warps));
  for (AttentionTile& tile : whole) {
    if (segments(tile) <= run || plan.partials + segments(tile) > resources.partials) {
      plan.tiles.push_back(tile);
      continue;
    }
    tile.partial = static_cast<std::int32_t>(plan.partials);
    plan.partials += segments(tile);
    plan.merges.push_back(tile);
    add_runs(tile, run, plan.tiles);
  }
  return plan;
}

}  // namespace gpuinfer::backend::cuda
