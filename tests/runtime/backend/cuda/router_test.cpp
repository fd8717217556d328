// route() against picking by sorting, as the CPU backend does it.
#include "runtime/backend/cuda/router.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "catch.hpp"
#include "simt/buffer.hpp"
#include "simt/compare.hpp"
#include "simt/random_values.hpp"
#include "simt/schedule.hpp"

namespace gpuinfer::backend::cuda {
namespace {

struct Case {
  std::int64_t tokens;
  std::int64_t experts;
  std::int64_t picks;
  std::int64_t tile_rows;
  bool softmax_over_picked = true;
  std::vector<float> scores{};
  /// Where other GPUs have the other experts.
  std::int64_t first_expert = 0;
  std::int64_t own_experts = experts;
};

struct Result {
  std::vector<std::int32_t> picked, rows, tokens_of_rows;
  std::vector<float> weights;
  std::vector<ExpertTile> tiles;
};

Result run(const Case& test) {
  const simt::Input scores(test.scores);
  const auto picks = static_cast<std::size_t>(test.tokens * test.picks);
  simt::Output<std::int32_t> picked(picks);
  simt::Output<float> weights(picks);
  simt::Output<std::int32_t> rows(picks);
  simt::Output<std::int32_t> tokens_of_rows(picks);
  Routing step{.scores = scores.data(),
               .picked = picked.data(),
               .weights = weights.data(),
               .rows = rows.data(),
               .tokens_of_rows = tokens_of_rows.data(),
               .tokens = test.tokens,
               .experts = test.experts,
               .picks = test.picks,
               .first_expert = test.first_expert,
               .own_experts = test.own_experts,
               .tile_rows = test.tile_rows,
               .softmax_over_picked = test.softmax_over_picked};
  simt::Output<ExpertTile> tiles(static_cast<std::size_t>(step.maximum_tiles()));
  step.tiles = tiles.data();
  route(step, nullptr);
  return {picked.values(), rows.values(), tokens_of_rows.values(), weights.values(), tiles.values()};
}

/// The token's experts, the best first, the first of equals.
std::vector<std::int32_t> ranked(const Case& test, std::int64_t token) {
  const float* scores = test.scores.data() + token * test.experts;
  std::vector<std::int32_t> order(static_cast<std::size_t>(test.experts));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater<>(), [&](std::int32_t expert) { return scores[expert]; });
  return order;
}

void check_picks(const Case& test, const Result& result) {
  std::vector<std::int32_t> picked;
  std::vector<double> weights;
  for (std::int64_t token = 0; token < test.tokens; ++token) {
    const std::vector<std::int32_t> order = ranked(test, token);
    const auto exponential = [&](std::int32_t expert) {
      return std::exp(simt::to_double(test.scores[static_cast<std::size_t>(token * test.experts + expert)]));
    };
    double total = 0;
    for (std::int64_t rank = 0; rank < (test.softmax_over_picked ? test.picks : test.experts); ++rank) {
      total += exponential(order[static_cast<std::size_t>(rank)]);
    }
    for (std::int64_t rank = 0; rank < test.picks; ++rank) {
      picked.push_back(order[static_cast<std::size_t>(rank)]);
      weights.push_back(exponential(picked.back()) / total);
    }
  }
  CHECK(result.picked == picked);
  CHECK(simt::largest_error(result.weights, weights) < simt::kFloatTolerance);
}

/// Rows sorted by expert, then by token, and tiles that cover each expert's rows.
void check_rows(const Case& test, const Result& result) {
  std::vector<std::size_t> order(result.picked.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::less<>(), [&](std::size_t pick) { return result.picked[pick]; });
  std::vector<ExpertTile> tiles;
  for (std::size_t row = 0; row < order.size(); ++row) {
    const std::size_t pick = order[row];
    CHECK(result.rows[pick] == static_cast<std::int32_t>(row));
    CHECK(result.tokens_of_rows[row] == static_cast<std::int32_t>(pick) / test.picks);
    const std::int32_t expert = result.picked[pick];
    if (tiles.empty() || tiles.back().expert != expert || tiles.back().rows == test.tile_rows) {
      tiles.push_back({expert, static_cast<std::int32_t>(row), 0});
    }
    ++tiles.back().rows;
  }
  REQUIRE(tiles.size() <= result.tiles.size());
  tiles.resize(result.tiles.size());
  CHECK(std::ranges::equal(tiles, result.tiles, [](const ExpertTile& a, const ExpertTile& b) {
    return a.rows == b.rows && (a.rows == 0 || (a.expert == b.expert && a.first_row == b.first_row));
  }));
}

void check(Case test) {
  test.scores = simt::RandomValues(7).floats(test.tokens * test.experts, 0, 2);
  // Every second token has equal scores.
  for (std::size_t i = 0; i < test.scores.size(); ++i) {
    if (static_cast<std::int64_t>(i) / test.experts % 2 == 1) test.scores[i] = std::round(test.scores[i]);
  }
  simt::under_schedules([&] {
    const Result result = run(test);
    check_picks(test, result);
    check_rows(test, result);
  });
}

TEST_CASE("the best experts are picked, the first of equals, and rows sorted by expert") {
  check({.tokens = 1, .experts = 32, .picks = 4, .tile_rows = 8});
  check({.tokens = 3, .experts = 128, .picks = 8, .tile_rows = 8, .softmax_over_picked = false});
  check({.tokens = 40, .experts = 33, .picks = 2, .tile_rows = 8});
  check({.tokens = 33, .experts = 4, .picks = 4, .tile_rows = 32});
}

TEST_CASE("of experts that several GPUs share each gets the rows of its own, numbered from its first") {
  Case test{.tokens = 20, .experts = 12, .picks = 3, .tile_rows = 8};
  test.scores = simt::RandomValues(9).floats(test.tokens * test.experts);
  const Result whole = run(test);
  test.own_experts = 4;
  std::vector<std::int32_t> rows(whole.rows.size(), -1);
  std::int32_t rows_before = 0;
  for (test.first_expert = 0; test.first_expert < test.experts; test.first_expert += test.own_experts) {
    simt::under_schedules([&] {
      const Result part = run(test);
      CHECK(part.picked == whole.picked);
      CHECK(part.weights == whole.weights);
      std::int32_t count = 0;
      for (std::size_t pick = 0; pick < rows.size(); ++pick) {
        const std::int64_t expert = part.picked[pick] - test.first_expert;
        if (expert < 0 || expert >= test.own_experts) {
          CHECK(part.rows[pick] == -1);
          continue;
        }
        CHECK(part.rows[pick] == whole.rows[pick] - rows_before);
        CHECK(part.tokens_of_rows[static_cast<std::size_t>(part.rows[pick])] == static_cast<std::int32_t>(pick) / 3);
        rows[pick] = ++count;
      }
      std::int32_t covered = 0;
      for (const ExpertTile& tile : part.tiles) {
        if (tile.rows == 0) continue;
        CHECK(tile.first_row == covered);
        const auto pick = static_cast<std::size_t>(std::ranges::find(part.rows, covered) - part.rows.begin());
        CHECK(tile.expert == part.picked[pick] - test.first_expert);
        covered += tile.rows;
      }
      CHECK(covered == count);
    });
    rows_before += static_cast<std::int32_t>(std::ranges::count_if(whole.picked, [&](std::int32_t expert) {
      return expert >= test.first_expert && expert < test.first_expert + test.own_experts;
    }));
  }
  CHECK(rows_before == std::ssize(whole.picked));
  CHECK(std::ranges::find(rows, -1) == rows.end());
}

TEST_CASE("a token's picks and weights are the same bits alone and in a batch") {
  Case batch{.tokens = 5, .experts = 32, .picks = 4, .tile_rows = 8};
  batch.scores = simt::RandomValues(8).floats(5 * 32);
  const Result all = run(batch);
  const Result alone = run({1, 32, 4, 8, true, {batch.scores.end() - 32, batch.scores.end()}});
  CHECK(std::equal(alone.picked.begin(), alone.picked.end(), all.picked.end() - 4));
  CHECK(std::equal(alone.weights.begin(), alone.weights.end(), all.weights.end() - 4));
}

TEST_CASE("scores that are no numbers are picked last, and never lead out of bounds") {
  Case test{.tokens = 1, .experts = 4, .picks = 3, .tile_rows = 8, .scores = {NAN, 1, -INFINITY, NAN}};
  CHECK(run(test).picked == std::vector<std::int32_t>{1, 0, 2});
  test.scores.assign(4, NAN);
  CHECK(run(test).picked == std::vector<std::int32_t>{0, 1, 2});
}

TEST_CASE("more experts than there is room for, and more picks than experts, are refused") {
  CHECK_THROWS_AS(route({.tokens = 1, .experts = 1025, .picks = 4, .tile_rows = 8}, nullptr), std::invalid_argument);
  CHECK_THROWS_AS(route({.tokens = 1, .experts = 3, .picks = 4, .tile_rows = 8}, nullptr), std::invalid_argument);
  CHECK_THROWS_AS(
      route({.tokens = 1, .experts = 8, .picks = 4, .first_expert = 6, .own_experts = 4, .tile_rows = 8}, nullptr),
      std::invalid_argument);
}

TEST_CASE("there are at most as many tiles as experts, and one more for every full tile") {
  CHECK(Routing{.tokens = 1, .experts = 32, .picks = 4, .tile_rows = 8}.maximum_tiles() == 4);
  CHECK(Routing{.tokens = 100, .experts = 32, .picks = 4, .tile_rows = 32}.maximum_tiles() == 32 + 368 / 32);
}

TEST_CASE("the cost of routing is its scores and its lists") {
  CHECK(cost(Routing{.tokens = 2, .experts = 32, .picks = 4, .tile_rows = 8}) ==
        Cost{.bytes = 2 * 32 * 4 + 8 * 16 + 8 * 12, .flops = 2 * (32 * 4 + 4 * 3)});
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
