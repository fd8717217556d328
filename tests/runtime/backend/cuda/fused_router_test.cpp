// multiply_and_route() gives the bits of multiply() and route(), in one launch and in two.
#include "runtime/backend/cuda/fused_router.hpp"

#include <functional>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "simt/buffer.hpp"
#include "simt/random_values.hpp"
#include "simt/schedule.hpp"

namespace gpuinfer::backend::cuda {
namespace {

struct Case {
  std::int64_t tokens;
  std::int64_t experts;
  std::int64_t columns;
  std::int64_t picks;
  bool with_bias = true;
  bool softmax_over_picked = true;
  /// Where other GPUs have the other experts.
  std::int64_t first_expert = 0;
  std::int64_t own_experts = experts;
};

struct Result {
  std::vector<float> scores, weights;
  std::vector<std::int32_t> picked, rows, tokens_of_rows;
  std::vector<ExpertTile> tiles;
};

bool same_tiles(const std::vector<ExpertTile>& a, const std::vector<ExpertTile>& b) {
  return std::ranges::equal(a, b, [](const ExpertTile& one, const ExpertTile& other) {
    return one.expert == other.expert && one.first_row == other.first_row && one.rows == other.rows;
  });
}

/// The router of a test, with its inputs for the case's tokens.
class Router {
 public:
  explicit Router(const Case& test)
      : test_(test),
        weight_(random_.bfloat16s(test.experts * test.columns, 0, 0.1F)),
        bias_(random_.floats(test.experts)),
        x_(random_.bfloat16s(test.tokens * test.columns)),
        arrivals_(std::vector<std::uint32_t>{0}) {}

  /// Of the first `tokens`.
  Result run(std::int64_t tokens, const std::function<void(const FusedRouter&)>& launch) {
    const auto picks = static_cast<std::size_t>(tokens * test_.picks);
    simt::Output<float> scores(static_cast<std::size_t>(tokens * test_.experts));
    simt::Output<float> weights(picks);
    simt::Output<std::int32_t> picked(picks);
    simt::Output<std::int32_t> rows(picks);
    simt::Output<std::int32_t> tokens_of_rows(picks);
    FusedRouter step{.product = {.weight = weight_.data(),
                                 .bias = test_.with_bias ? bias_.data() : nullptr,
                                 .x = x_.data(),
                                 .out = scores.data(),
                                 .tokens = tokens,
                                 .rows = test_.experts,
                                 .columns = test_.columns},
                     .routing = {.scores = scores.data(),
                                 .picked = picked.data(),
                                 .weights = weights.data(),
                                 .rows = rows.data(),
                                 .tokens_of_rows = tokens_of_rows.data(),
                                 .tokens = tokens,
                                 .experts = test_.experts,
                                 .picks = test_.picks,
                                 .first_expert = test_.first_expert,
                                 .own_experts = test_.own_experts,
                                 .tile_rows = 8,
                                 .softmax_over_picked = test_.softmax_over_picked},
                     .arrivals = arrivals_.data()};
    simt::Output<ExpertTile> tiles(static_cast<std::size_t>(step.routing.maximum_tiles()));
    step.routing.tiles = tiles.data();
    launch(step);
    CHECK(arrivals_.values()[0] == 0);
    return {scores.values(), weights.values(), picked.values(), rows.values(), tokens_of_rows.values(), tiles.values()};
  }

 private:
  Case test_;
  simt::RandomValues random_{17};
  simt::Input<Bfloat16> weight_;
  simt::Input<float> bias_;
  simt::Input<Bfloat16> x_;
  simt::Output<std::uint32_t> arrivals_;
};

void check_every_batch(const Case& test) {
  Router router(test);
  simt::under_schedules([&] {
    for (std::int64_t tokens = 1; tokens <= test.tokens; ++tokens) {
      INFO(tokens << " tokens, " << test.experts << " experts");
      const Result expected = router.run(tokens, [](const FusedRouter& step) {
        multiply(step.product, nullptr);
        route(step.routing, nullptr);
      });
      const Result result = router.run(tokens, [](const FusedRouter& step) { multiply_and_route(step, nullptr); });
      CHECK(result.scores == expected.scores);
      CHECK(result.picked == expected.picked);
      CHECK(result.weights == expected.weights);
      CHECK(result.rows == expected.rows);
      CHECK(result.tokens_of_rows == expected.tokens_of_rows);
      CHECK(same_tiles(result.tiles, expected.tiles));
    }
  });
}

TEST_CASE("one launch routes as two do, in batches of every size") {
  check_every_batch({.tokens = kFewTokens + 1, .experts = 32, .columns = 136, .picks = 4});
  check_every_batch(
      {.tokens = 3, .experts = 128, .columns = 64, .picks = 8, .with_bias = false, .softmax_over_picked = false});
  check_every_batch(
      {.tokens = kFewTokens, .experts = 20, .columns = 40, .picks = 3, .first_expert = 5, .own_experts = 10});
  check_every_batch({.tokens = 2, .experts = 7, .columns = 8, .picks = 7});
}

TEST_CASE("what a product or a router refuses is refused in one launch too") {
  const auto launch = [](std::int64_t tokens, std::int64_t columns, std::int64_t picks) {
    multiply_and_route({.product = {.tokens = tokens, .rows = 4, .columns = columns},
                        .routing = {.tokens = tokens, .experts = 4, .picks = picks, .tile_rows = 8}},
                       nullptr);
  };
  for (const std::int64_t tokens : {std::int64_t{1}, kFewTokens + 1}) {
    CHECK_THROWS_AS(launch(tokens, 12, 2), std::invalid_argument);
    CHECK_THROWS_AS(launch(tokens, 8, 5), std::invalid_argument);
  }
}

TEST_CASE("the cost of both in one launch has the scores once") {
  const FusedRouter step{.product = {.tokens = 2, .rows = 32, .columns = 64},
                         .routing = {.tokens = 2, .experts = 32, .picks = 4, .tile_rows = 8}};
  CHECK(cost(step) == Cost{.bytes = (32 + 2) * 64 * 2 + 2 * 32 * 4 + 8 * 16 + 8 * 12,
                           .flops = 2 * 2 * 32 * 64 + 2 * (32 * 4 + 4 * 3)});
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
