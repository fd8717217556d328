// Models from a seed.
#include "runtime/selftest/random_model.hpp"

#include "catch.hpp"
#include "runtime/selftest/cases.hpp"

namespace gpuinfer::selftest {
namespace {

TEST_CASE("the settings of every case are those of a model that could have been loaded, and its sizes are enough") {
  for (const Case& one : all_cases()) {
    INFO(one.name);
    CHECK_NOTHROW(model::check_config(one.shape.config, one.name));
    CHECK(one.tokens <= one.shape.config.max_position_embeddings);
    CHECK(one.longest_prompt < one.tokens);
    CHECK_FALSE(one.batch_sizes.empty());
  }
}

TEST_CASE("weights depend on the seed alone") {
  const std::vector<Case> cases = family_cases(
      {.vocab = 96, .hidden = 64, .intermediate = 96, .layers = 2, .head_dim = 32, .experts = 6, .window = 20});
  const ModelShape& shape = cases.back().shape;
  const auto bytes = [&](std::uint64_t seed) {
    std::vector<std::byte> all;
    const auto random_model = make_random_model(shape, seed);
    for_each_tensor(random_model->weights, [&](const model::Tensor& tensor) {
      all.insert(all.end(), tensor.bytes.begin(), tensor.bytes.end());
      all.insert(all.end(), tensor.scales.begin(), tensor.scales.end());
    });
    return all;
  };
  CHECK(bytes(1) == bytes(1));
  CHECK(bytes(1) != bytes(2));
}

}  // namespace
}  // namespace gpuinfer::selftest
