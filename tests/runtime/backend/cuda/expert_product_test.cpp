// multiply() of an ExpertProduct, in both of its formats, and add_experts() against their definitions in double
// precision.
#include "runtime/backend/cuda/expert_product.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "catch.hpp"
#include "runtime/backend/cuda/expert_sum.hpp"
#include "simt/buffer.hpp"
#include "simt/compare.hpp"
#include "simt/random_values.hpp"
#include "simt/schedule.hpp"

namespace gpuinfer::backend::cuda {
namespace {

/// OCP Microscaling Formats v1.0, table 5.
constexpr double kE2m1[16] = {0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6};

/// Experts' weights as they are in memory, and as numbers.
struct Bfloat16Case {
  std::vector<Bfloat16> values;

  Bfloat16Case(std::int64_t experts, std::int64_t rows, std::int64_t columns)
      : values(simt::RandomValues(9).bfloat16s(experts * rows * columns, 0.001F, 0.05F)) {}

  double number(std::size_t index) const { return simt::to_double(values[index]); }

  struct OnGpu {
    simt::Input<Bfloat16> values;
    Bfloat16Experts view() const { return {values.data()}; }
  };
  OnGpu on_gpu() const { return {simt::Input(values)}; }
};

struct Mxfp4Case {
  std::vector<std::uint8_t> blocks, scales;
  std::vector<std::uint32_t> words, scale_words;

  Mxfp4Case(std::int64_t experts, std::int64_t rows, std::int64_t columns) {
    simt::RandomValues random(10);
    blocks = random.bytes(experts * rows * columns / 2);
    scales = random.bytes(experts * rows * columns / 32, 118, 123);
    const Mxfp4Matrix matrix{rows, columns};
    words.resize(static_cast<std::size_t>(experts * matrix.words()), 0xFFFFFFFF);
    scale_words.resize(static_cast<std::size_t>(experts * matrix.scale_words()), 0xFFFFFFFF);
    for (std::int64_t row = 0; row < experts * rows; ++row) {
      const auto part = [&](auto& vector, std::int64_t index, std::int64_t count) {
        return std::span(vector).subspan(static_cast<std::size_t>(index * count), static_cast<std::size_t>(count));
      };
      pack_mxfp4_numbers(matrix, row % rows, std::as_bytes(part(blocks, row, columns / 2)),
                         part(words, row / rows, matrix.words()));
      pack_mxfp4_scales(matrix, row % rows, std::as_bytes(part(scales, row, columns / 32)),
                        part(scale_words, row / rows, matrix.scale_words()));
    }
  }

  double number(std::size_t index) const {
    const int nibble = blocks[index / 2] >> index % 2 * 4 & 15;
    return std::ldexp(kE2m1[nibble], scales[index / 32] - 127);
  }

  struct OnGpu {
    simt::Input<std::uint32_t> words, scales;
    Mxfp4Experts view() const { return {words.data(), scales.data()}; }
  };
  OnGpu on_gpu() const { return {simt::Input(words), simt::Input(scale_words)}; }
};

template <typename Weights>
struct Case {
  std::int64_t experts;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t tile_rows;
  Weights weights;
  std::vector<float> bias;
  std::vector<Bfloat16> x;
  std::vector<std::int32_t> x_rows{};
  std::vector<ExpertTile> tiles{};

  /// As many rows for each expert as `counts` says; with `tokens`, each row's token is one of so many.
  Case(std::vector<std::int32_t> counts, std::int64_t row_count, std::int64_t column_count, std::int64_t tile,
       std::int64_t tokens = 0)
      : experts(std::ssize(counts)),
        rows(row_count),
        columns(column_count),
        tile_rows(tile),
        weights(experts, rows, columns),
        bias(simt::RandomValues(11).floats(experts * rows)) {
    std::int32_t row = 0;
    for (std::int32_t expert = 0; expert < experts; ++expert) {
      const std::int32_t end = row + counts[static_cast<std::size_t>(expert)];
      for (; row < end; row += tiles.back().rows) {
        tiles.push_back({expert, row, std::min(end - row, static_cast<std::int32_t>(tile_rows))});
      }
    }
    tiles.push_back({});
    simt::RandomValues random(12);
    if (tokens > 0) x_rows = random.integers(row, static_cast<std::int32_t>(tokens));
    x = random.bfloat16s((tokens > 0 ? tokens : row) * columns, 0.1F);
  }

  std::int64_t routed_rows() const {
    std::int64_t count = 0;
    for (const ExpertTile& tile : tiles) count += tile.rows;
    return count;
  }
};

template <typename Weights>
std::vector<float> run(const Case<Weights>& test) {
  const auto weight = test.weights.on_gpu();
  const simt::Input bias(test.bias);
  const simt::Input x(test.x);
  const simt::Input x_rows(test.x_rows);
  const simt::Input tiles(test.tiles);
  simt::Output<float> out(static_cast<std::size_t>(test.routed_rows() * test.rows));
  multiply({.weight = weight.view(),
            .bias = bias.data(),
            .x = x.data(),
            .x_rows = test.x_rows.empty() ? nullptr : x_rows.data(),
            .tiles = tiles.data(),
            .out = out.data(),
            .tile_count = std::ssize(test.tiles),
            .tile_rows = test.tile_rows,
            .rows = test.rows,
            .columns = test.columns},
           nullptr);
  return out.values();
}

template <typename Weights>
std::vector<double> expected(const Case<Weights>& test) {
  std::vector<double> results;
  for (const ExpertTile& tile : test.tiles) {
    for (std::int32_t i = tile.first_row; i < tile.first_row + tile.rows; ++i) {
      const std::int64_t x = (test.x_rows.empty() ? i : test.x_rows[static_cast<std::size_t>(i)]) * test.columns;
      for (std::int64_t row = 0; row < test.rows; ++row) {
        const std::int64_t weight = tile.expert * test.rows + row;
        double sum = simt::to_double(test.bias[static_cast<std::size_t>(weight)]);
        for (std::int64_t c = 0; c < test.columns; ++c) {
          sum += test.weights.number(static_cast<std::size_t>(weight * test.columns + c)) *
                 simt::to_double(test.x[static_cast<std::size_t>(x + c)]);
        }
        results.push_back(sum);
      }
    }
  }
  return results;
}

template <typename Weights>
void check(const Case<Weights>& test) {
  const std::vector<double> results = expected(test);
  simt::under_schedules([&] { CHECK(simt::largest_error(run(test), results) < simt::kFloatTolerance); });
}

TEMPLATE_TEST_CASE("experts multiply the rows that they were given", "", Bfloat16Case, Mxfp4Case) {
  check(Case<TestType>({1, 0, 2, 1}, 40, 2880, 8));
  check(Case<TestType>({3, 0, 9}, 33, 96, 8, 5));
  check(Case<TestType>({0, 33}, 49, 160, 16, 7));
  check(Case<TestType>({35, 1}, 35, 32, 32));
  check(Case<TestType>({1, 0, 70}, 150, 416, 64, 9));
}

/// The first row's results, for an expert with `count` rows in tiles of `tile_rows`.
template <typename Weights>
std::vector<float> first_row(std::int32_t count, std::int64_t tile_rows) {
  Case<Weights> test({0, count}, 33, 1056, tile_rows);
  std::vector<float> results = run(test);
  results.resize(33);
  return results;
}

TEMPLATE_TEST_CASE("a row's results are the same bits in tiles of every kind", "", Bfloat16Case, Mxfp4Case) {
  const std::vector<float> alone = first_row<TestType>(1, 8);
  CHECK(first_row<TestType>(9, 8) == alone);
  CHECK(first_row<TestType>(20, 16) == alone);
  CHECK(first_row<TestType>(40, 32) == alone);
  CHECK(first_row<TestType>(65, 64) == alone);
}

TEST_CASE("shapes that there is no kernel for are refused") {
  CHECK_THROWS_AS(multiply(ExpertProduct<Bfloat16Experts>{.tile_rows = 8, .rows = 1, .columns = 12}, nullptr),
                  std::invalid_argument);
  CHECK_THROWS_AS(multiply(ExpertProduct<Mxfp4Experts>{.tile_rows = 8, .rows = 1, .columns = 40}, nullptr),
                  std::invalid_argument);
  CHECK_THROWS_AS(multiply(ExpertProduct<Mxfp4Experts>{.tile_rows = 48, .rows = 1, .columns = 32}, nullptr),
                  std::invalid_argument);
}

TEST_CASE("tiles grow with the rows that an expert gets") {
  CHECK(expert_tile_rows(4, 32) == 8);
  CHECK(expert_tile_rows(4 * 32, 32) == 8);
  CHECK(expert_tile_rows(4 * 33, 32) == 16);
  CHECK(expert_tile_rows(4 * 128, 32) == 32);
  CHECK(expert_tile_rows(4 * 512, 32) == 64);
}

TEST_CASE("the cost of experts is the weights of those that are active, and their rows") {
  const ExpertProduct<Bfloat16Experts> bfloat16{.tile_count = 4, .rows = 10, .columns = 16};
  CHECK(cost(bfloat16, 4, 3) ==
        Cost{.bytes = 3 * 10 * 16 * 2 + 4 * (16 * 2 + 10 * 4) + 4 * 12, .flops = 2 * 4 * 10 * 16});
  const ExpertProduct<Mxfp4Experts> mxfp4{.tile_count = 4, .rows = 5760, .columns = 2880};
  CHECK(weight_bytes(mxfp4) == 5760 * 2944 / 2 + 5760 * 2944 / 32);
}

TEST_CASE("what the experts say is added up by weight") {
  constexpr std::int64_t kTokens = 3;
  constexpr std::int64_t kPicks = 4;
  constexpr std::int64_t kHidden = 300;
  simt::RandomValues random(13);
  const std::vector<float> results = random.floats(kTokens * kPicks * kHidden);
  const std::vector<float> weights = random.floats(kTokens * kPicks, 0.25F, 0.1F);
  const std::vector<std::int32_t> rows = {3, 11, 0, 7, 1, -1, 10, 4, -1, -1, -1, -1};  // -1: another GPU's.
  std::vector<double> sums;
  for (std::size_t token = 0; token < kTokens; ++token) {
    for (std::size_t i = 0; i < kHidden; ++i) {
      double sum = 0;
      for (std::size_t pick = token * kPicks; pick < (token + 1) * kPicks; ++pick) {
        if (rows[pick] < 0) continue;
        sum += simt::to_double(weights[pick]) *
               simt::to_double(results[static_cast<std::size_t>(rows[pick]) * kHidden + i]);
      }
      sums.push_back(sum);
    }
  }
  const simt::Input results_on_gpu(results);
  const simt::Input weights_on_gpu(weights);
  const simt::Input rows_on_gpu(rows);
  const auto sum_of = [&](std::int64_t first, std::int64_t count) {
    simt::Output<float> out(static_cast<std::size_t>(count * kHidden));
    add_experts({.results = results_on_gpu.data(),
                 .weights = weights_on_gpu.data() + first * kPicks,
                 .rows = rows_on_gpu.data() + first * kPicks,
                 .out = out.data(),
                 .tokens = count,
                 .picks = kPicks,
                 .hidden_size = kHidden},
                nullptr);
    return out.values();
  };
  simt::under_schedules([&] { CHECK(simt::largest_error(sum_of(0, kTokens), sums) < simt::kFloatTolerance); });
  const std::vector<float> all = sum_of(0, kTokens);
  CHECK(sum_of(2, 1) == std::vector(all.end() - kHidden, all.end()));
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
