// add_ranks() against the sum in float32, one part after the other.
#include "runtime/backend/cuda/rank_sum.hpp"

#include <stdexcept>

#include "catch.hpp"
#include "simt/buffer.hpp"
#include "simt/random_values.hpp"
#include "simt/schedule.hpp"

namespace gpuinfer::backend::cuda {
namespace {

TEST_CASE("parts are added in the order of their ranks") {
  for (const std::int64_t ranks : {1, 2, 4, 8}) {
    for (const std::int64_t numbers : {4, 96, 1028, 2880}) {
      const std::vector<float> values = simt::RandomValues(1).floats(ranks * numbers);
      std::vector<float> expected(values.begin(), values.begin() + numbers);
      for (std::int64_t rank = 1; rank < ranks; ++rank) {
        for (std::int64_t i = 0; i < numbers; ++i) {
          expected[static_cast<std::size_t>(i)] += values[static_cast<std::size_t>(rank * numbers + i)];
        }
      }
      const simt::Input parts(values);
      simt::under_schedules([&] {
        simt::Output<float> out(static_cast<std::size_t>(numbers));
        add_ranks({.parts = parts.data(), .out = out.data(), .ranks = ranks, .numbers = numbers}, nullptr);
        CHECK(out.values() == expected);
      });
    }
  }
}

TEST_CASE("numbers that do not come in fours are refused") {
  CHECK_THROWS_AS(add_ranks({.ranks = 2, .numbers = 6}, nullptr), std::invalid_argument);
}

TEST_CASE("the cost of a sum over ranks is its parts and the result") {
  CHECK(cost(RankSum{.ranks = 4, .numbers = 8}) == Cost{.bytes = 5 * 8 * 4, .flops = 3 * 8});
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
