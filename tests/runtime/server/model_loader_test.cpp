// What flags ask of the KV cache.
#include "runtime/server/model_loader.hpp"

#include "catch.hpp"

namespace gpuinfer::server {
namespace {

model::ModelConfig small_config() {
  model::ModelConfig config;
  config.layers.resize(1);
  config.num_key_value_heads = 1;
  config.head_dim = 32;
  config.max_position_embeddings = 1000;
  return config;
}

TEST_CASE("a KV cache is for one sequence of the longest at least, and for all that run at most") {
  ServerFlags flags;
  flags.limits = {.max_batch_tokens = 50, .max_running = 20};
  backend::KvPlan plan = plan_kv_cache(small_config(), flags);
  CHECK(plan.least_tokens == 1000);
  CHECK(plan.usual_tokens == 8000);
  CHECK(plan.most_tokens == 20000);
  CHECK(plan.sequences == 20);
  CHECK(plan.step_tokens == 50);
  CHECK(plan.setting == "--max-model-len");
  flags.max_model_len = 100;
  plan = plan_kv_cache(small_config(), flags);
  CHECK(plan.least_tokens == 100);
  CHECK(plan.most_tokens == 2000);
}

TEST_CASE("--kv-cache-tokens wins") {
  ServerFlags flags;
  flags.kv_cache_tokens = 333;
  const backend::KvPlan plan = plan_kv_cache(small_config(), flags);
  CHECK(plan.least_tokens == 333);
  CHECK(plan.usual_tokens == 333);
  CHECK(plan.most_tokens == 333);
  CHECK(plan.setting == "--kv-cache-tokens");
}

TEST_CASE("no flags ask for more positions than the cache can number") {
  ServerFlags flags;
  flags.max_model_len = std::int64_t{1} << 31;
  flags.limits.max_running = std::int64_t{1} << 32;
  CHECK(plan_kv_cache(small_config(), flags).most_tokens == backend::kMostPages * backend::kPageTokens);
}

}  // namespace
}  // namespace gpuinfer::server
