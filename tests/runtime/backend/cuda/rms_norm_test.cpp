// add_rms_norm() against its definition in double precision.
#include "runtime/backend/cuda/rms_norm.hpp"

#include <cmath>

#include "catch.hpp"
#include "simt/buffer.hpp"
#include "simt/compare.hpp"
#include "simt/random_values.hpp"
#include "simt/schedule.hpp"

namespace gpuinfer::backend::cuda {
namespace {

constexpr float kEpsilon = 1e-5F;

enum class Branch { kNone, kPlain, kNormalised };

struct Case {
  std::int64_t tokens;
  std::int64_t hidden_size;
  Branch branch;

  std::vector<float> hidden, added, branch_weight, weight;

  Case(std::int64_t token_count, std::int64_t columns, Branch kind)
      : tokens(token_count), hidden_size(columns), branch(kind) {
    simt::RandomValues random(2);
    hidden = random.floats(tokens * hidden_size, 0.1F, 3);
    added = random.floats(tokens * hidden_size, -0.2F, 0.5F);
    branch_weight = random.floats(hidden_size, 1, 0.1F);
    weight = random.floats(hidden_size, 1, 0.1F);
  }
};

struct Result {
  std::vector<float> hidden;
  std::vector<Bfloat16> out;
};

/// Tokens [begin, end) of the case.
Result run(const Case& test, std::int64_t begin, std::int64_t end) {
  const auto rows = [&](const std::vector<float>& values) {
    return std::vector<float>(values.begin() + begin * test.hidden_size, values.begin() + end * test.hidden_size);
  };
  const simt::Input added(rows(test.added));
  const simt::Input branch_weight(test.branch_weight);
  const simt::Input weight(test.weight);
  simt::Output<float> hidden(rows(test.hidden));
  simt::Output<Bfloat16> out(static_cast<std::size_t>((end - begin) * test.hidden_size));
  add_rms_norm({.hidden = hidden.data(),
                .branch = test.branch == Branch::kNone ? nullptr : added.data(),
                .branch_weight = test.branch == Branch::kNormalised ? branch_weight.data() : nullptr,
                .weight = weight.data(),
                .out = out.data(),
                .tokens = end - begin,
                .hidden_size = test.hidden_size,
                .epsilon = kEpsilon},
               nullptr);
  return {hidden.values(), out.values()};
}

std::vector<double> normalised(const std::vector<double>& row, const std::vector<float>& weight) {
  double squares = 0;
  for (const double value : row) squares += value * value;
  const double scale = 1 / std::sqrt(squares / static_cast<double>(row.size()) + simt::to_double(kEpsilon));
  std::vector<double> result;
  for (std::size_t i = 0; i < row.size(); ++i) result.push_back(row[i] * scale * simt::to_double(weight[i]));
  return result;
}

void check(const Case& test) {
  std::vector<double> hidden;
  std::vector<double> out;
  for (std::int64_t token = 0; token < test.tokens; ++token) {
    const auto begin = token * test.hidden_size;
    std::vector<double> row(test.hidden.begin() + begin, test.hidden.begin() + begin + test.hidden_size);
    std::vector<double> added(test.added.begin() + begin, test.added.begin() + begin + test.hidden_size);
    if (test.branch == Branch::kNormalised) added = normalised(added, test.branch_weight);
    for (std::size_t i = 0; i < row.size() && test.branch != Branch::kNone; ++i) row[i] += added[i];
    hidden.insert(hidden.end(), row.begin(), row.end());
    const std::vector<double> result = normalised(row, test.weight);
    out.insert(out.end(), result.begin(), result.end());
  }
  simt::under_schedules([&] {
    const Result result = run(test, 0, test.tokens);
    CHECK(simt::largest_error(result.hidden, hidden) < simt::kFloatTolerance);
    CHECK(simt::largest_error(result.out, out) < simt::kBfloat16Tolerance);
  });
}

TEST_CASE("rows are normalised, after a branch was added, itself normalised or not") {
  for (const Branch branch : {Branch::kNone, Branch::kPlain, Branch::kNormalised}) {
    check({1, 2880, branch});
    check({3, 33, branch});
    check({8, 640, branch});
  }
}

TEST_CASE("a token's norm is the same bits alone and in a batch") {
  const Case test(5, 2880, Branch::kNormalised);
  const Result all = run(test, 0, 5);
  for (std::int64_t token = 0; token < 5; ++token) {
    const Result alone = run(test, token, token + 1);
    const auto same = [](auto a, auto b) { return a.bits == b.bits; };
    CHECK(std::equal(alone.out.begin(), alone.out.end(), all.out.begin() + token * 2880, same));
    CHECK(std::equal(alone.hidden.begin(), alone.hidden.end(), all.hidden.begin() + token * 2880));
  }
}

TEST_CASE("a norm's cost counts what it is asked to add") {
  const float number = 1;
  AddRmsNorm step{.tokens = 2, .hidden_size = 10};
  CHECK(cost(step) == Cost{.bytes = 20 * (4 + 2) + 40, .flops = 80});
  step.branch = &number;
  CHECK(cost(step).bytes == 20 * (4 + 2) + 40 + 20 * (4 + 4));
  step.branch_weight = &number;
  CHECK(cost(step).bytes == 20 * (4 + 2) + 40 + 20 * (4 + 4) + 40);
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
