// From tokens to the pages of each KV group.
#include "runtime/backend/kv_plan.hpp"

#include "catch.hpp"

namespace gpuinfer::backend {
namespace {

model::ModelConfig config_with_window(std::int64_t window) {
  model::ModelConfig config;
  config.layers.resize(2);
  config.layers[1].sliding_window = window;
  return config;
}

std::vector<std::int64_t> pages(const KvPlan& plan, const model::ModelConfig& config, std::int64_t tokens) {
  std::vector<std::int64_t> pages;
  for (const KvGroup& group : plan.groups(config, tokens)) pages.push_back(group.pages);
  return pages;
}

TEST_CASE("layers with a window need what all sequences of a step reach, if that is less") {
  const model::ModelConfig config = config_with_window(32);
  const KvPlan plan{.sequences = 3, .step_tokens = 40};
  // Each sequence sees parts of three pages; a step writes to three, and to a part of a fourth.
  CHECK(pages(plan, config, 1600) == std::vector<std::int64_t>{100, 3 * 3 + 4});
  CHECK(pages(plan, config, 100) == std::vector<std::int64_t>{7, 7});
}

TEST_CASE("without an idea of the sequences every group has all pages") {
  CHECK(pages(KvPlan::of_pages(9), config_with_window(16), 9 * kPageTokens) == std::vector<std::int64_t>{9, 9});
  CHECK(KvPlan::of_pages(9).least_tokens == 9 * kPageTokens);
}

TEST_CASE("limits of any size make no more pages than there are positions") {
  const KvPlan plan{.sequences = std::int64_t{1} << 32, .step_tokens = std::int64_t{1} << 32};
  CHECK(pages(plan, config_with_window(std::int64_t{1} << 30), 160) == std::vector<std::int64_t>{10, 10});
}

}  // namespace
}  // namespace gpuinfer::backend
