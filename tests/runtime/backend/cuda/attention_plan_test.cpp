// How attention's work is cut: every query meets every segment that it sees once.
#include "runtime/backend/cuda/attention_plan.hpp"

#include <map>
#include <set>
#include <utility>

#include "catch.hpp"

namespace gpuinfer::backend::cuda {
namespace {

using Segments = std::multiset<std::int64_t>;

/// For each tile of queries of a slice the segments that its runs visit.
std::map<std::pair<std::int64_t, std::int64_t>, Segments> visited(const AttentionPlan& plan) {
  std::map<std::pair<std::int64_t, std::int64_t>, Segments> result;
  for (const AttentionTile& tile : plan.tiles) {
    for (std::int64_t s = tile.first_segment; s < tile.end_segment; ++s) {
      result[{tile.slice, tile.first_query}].insert(s);
    }
  }
  return result;
}

const std::vector<AttentionSlice> kSlices = {{.tokens = 1, .position = 1000}, {.tokens = 40, .position = 250}};

TEST_CASE("queries are taken by sixteens, over the segments of their window") {
  const AttentionPlan whole = plan_attention(kSlices, {.heads = 6, .kv_heads = 2, .window = 300}, {});
  CHECK(whole.merges.empty());
  const auto tiles = visited(whole);
  CHECK(tiles.size() == 1 + 8);  // 3 query heads for each key/value head: 3 queries, and 120
  CHECK(tiles.at({0, 0}) == Segments{5, 6, 7});
  CHECK(tiles.at({1, 0}) == Segments{0, 1});
  CHECK(tiles.at({1, 16}) == Segments{0, 1, 2});      // tokens 5 to 10
  CHECK(tiles.at({1, 7 * 16}) == Segments{0, 1, 2});  // tokens 37 to 39
}

TEST_CASE("runs are as long as the warps are few, and each has a place for its partial results") {
  const AttentionHeads heads{.heads = 4, .kv_heads = 2};
  const AttentionPlan whole = plan_attention(kSlices, heads, {.warps = 1, .partials = 100});
  CHECK(whole.merges.empty());
  for (const std::int64_t warps : {8, 16, 1000}) {
    const AttentionPlan cut = plan_attention(kSlices, heads, {.warps = warps, .partials = 100});
    CHECK(visited(cut) == visited(whole));
    CHECK(cut.tiles.size() > whole.tiles.size());
    std::int64_t place = 0;
    for (const AttentionTile& tile : cut.tiles) {
      if (tile.partial == AttentionTile::kWhole) continue;
      CHECK(tile.partial == place);
      place += tile.end_segment - tile.first_segment;
    }
    CHECK(place == cut.partials);
  }
}

TEST_CASE("what has no room for partial results stays whole") {
  const AttentionPlan plan = plan_attention(kSlices, {.heads = 1, .kv_heads = 1}, {.warps = 1000, .partials = 7});
  CHECK(plan.partials == 6);  // The first slice's 8 segments do not fit, the three tiles of the second have 3 each.
  CHECK(plan.merges.size() == 2);
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
