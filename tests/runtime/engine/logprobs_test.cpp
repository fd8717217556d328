// Logprobs against the formula.
#include "runtime/engine/logprobs.hpp"

#include <cmath>

#include "catch.hpp"

namespace gpuinfer::engine {
namespace {

TEST_CASE("logprobs are the logarithm of softmax, with ranks") {
  const std::vector<float> logits = {std::log(0.1F), std::log(0.4F), std::log(0.1F), std::log(0.3F), std::log(0.1F)};
  const Logprobs logprobs = logprobs_of(logits, 0, 3);
  CHECK(logprobs.token.id == 0);
  CHECK(logprobs.token.rank == 3);
  CHECK(std::exp(logprobs.token.logprob) == Approx(0.1));
  REQUIRE(logprobs.top.size() == 3);
  CHECK(logprobs.top[0].id == 1);
  CHECK(logprobs.top[0].rank == 1);
  CHECK(std::exp(logprobs.top[0].logprob) == Approx(0.4));
  CHECK(logprobs.top[1].id == 3);
  CHECK(logprobs.top[2] == logprobs.token);
}

TEST_CASE("no more tokens than there are, none where none is wanted, and no overflow") {
  CHECK(logprobs_of(std::vector<float>{1000, -1000}, 1, 20).top.size() == 2);
  CHECK(logprobs_of(std::vector<float>{1000, -1000}, 1, 20).token.logprob == Approx(-2000));
  CHECK(logprobs_of(std::vector<float>{1, 2}, 1, 0).top.empty());
}

}  // namespace
}  // namespace gpuinfer::engine
