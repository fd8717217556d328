// multiply() of a Product against its definition in double precision.
#include "runtime/backend/cuda/product.hpp"

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
  std::int64_t rows;
  std::int64_t columns;
  bool with_bias;

  std::vector<Bfloat16> weight, x;
  std::vector<float> bias;

  Case(std::int64_t token_count, std::int64_t row_count, std::int64_t column_count, bool has_bias)
      : tokens(token_count), rows(row_count), columns(column_count), with_bias(has_bias) {
    simt::RandomValues random(4);
    weight = random.bfloat16s(rows * columns, 0.001F, 0.05F);
    x = random.bfloat16s(tokens * columns, 0.1F, 1);
    bias = random.floats(rows);
  }
};

/// Tokens [begin, end) of the case.
std::vector<float> run(const Case& test, std::int64_t begin, std::int64_t end) {
  const simt::Input weight(test.weight);
  const simt::Input bias(test.bias);
  const simt::Input x(std::vector(test.x.begin() + begin * test.columns, test.x.begin() + end * test.columns));
  simt::Output<float> out(static_cast<std::size_t>((end - begin) * test.rows));
  multiply({.weight = weight.data(),
            .bias = test.with_bias ? bias.data() : nullptr,
            .x = x.data(),
            .out = out.data(),
            .tokens = end - begin,
            .rows = test.rows,
            .columns = test.columns},
           nullptr);
  return out.values();
}

std::vector<double> expected(const Case& test) {
  std::vector<double> results;
  for (std::int64_t token = 0; token < test.tokens; ++token) {
    for (std::int64_t row = 0; row < test.rows; ++row) {
      double sum = test.with_bias ? simt::to_double(test.bias[static_cast<std::size_t>(row)]) : 0;
      for (std::int64_t i = 0; i < test.columns; ++i) {
        sum += simt::to_double(test.weight[static_cast<std::size_t>(row * test.columns + i)]) *
               simt::to_double(test.x[static_cast<std::size_t>(token * test.columns + i)]);
      }
      results.push_back(sum);
    }
  }
  return results;
}

void check(const Case& test) {
  const std::vector<double> results = expected(test);
  simt::under_schedules(
      [&] { CHECK(simt::largest_error(run(test, 0, test.tokens), results) < simt::kFloatTolerance); });
}

TEST_CASE("tokens are multiplied with weights, with a bias or without") {
  check({1, 33, 2880, true});
  check({3, 16, 40, false});
  check({9, 50, 128, true});
  check({33, 17, 136, false});
}

/// So many rows and tokens that blocks of 128 rows and 64 tokens compute them.
constexpr std::int64_t kWideTokens = 64 * 15 + 5;
constexpr std::int64_t kWideRows = 128 * 7 + 17;

TEST_CASE("many tokens are multiplied the same way") {
  const Case test(kWideTokens, kWideRows, 8, true);
  CHECK(simt::largest_error(run(test, 0, test.tokens), expected(test)) < simt::kFloatTolerance);
}

TEST_CASE("a token's product is the same bits alone and in batches of every kind") {
  const Case test(kWideTokens, kWideRows, 136, false);
  const std::vector<float> all = run(test, 0, test.tokens);
  for (const std::int64_t tokens : {1, 9, 40}) {
    const std::vector<float> some = run(test, 100, 100 + tokens);
    CHECK(std::equal(some.begin(), some.end(), all.begin() + 100 * test.rows));
  }
}

TEST_CASE("rows that cannot be loaded 16 bytes at a time are refused") {
  CHECK_THROWS_AS(multiply({.tokens = 1, .rows = 1, .columns = 12}, nullptr), std::invalid_argument);
}

TEST_CASE("the cost of a product is its weights and what it multiplies with them") {
  const float number = 1;
  Product step{.tokens = 2, .rows = 10, .columns = 16};
  CHECK(cost(step) == Cost{.bytes = 10 * 16 * 2 + 2 * 16 * 2 + 20 * 4, .flops = 2 * 2 * 10 * 16});
  step.bias = &number;
  CHECK(cost(step).bytes == 10 * 16 * 2 + 2 * 16 * 2 + 20 * 4 + 10 * 4);
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
