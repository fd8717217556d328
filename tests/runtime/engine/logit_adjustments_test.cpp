// Each adjustment by example.
#include "runtime/engine/logit_adjustments.hpp"

#include <limits>

#include "catch.hpp"

namespace gpuinfer::engine {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

/// {1, 2, -1, 0, 3} after a prompt of token 1 and an answer of tokens 2, 4, 4.
std::vector<float> adjusted(const LogitAdjustments& adjustments) {
  const std::vector<TokenId> prompt = {1};
  const std::vector<TokenId> generated = {2, 4, 4};
  const std::vector<TokenId> stop_tokens = {0, 99};
  std::vector<float> logits = {1, 2, -1, 0, 3};
  CHECK(adjustments.any(3));
  adjust(logits, adjustments, {.prompt = prompt, .generated = generated, .stop_tokens = stop_tokens});
  return logits;
}

using Logits = std::vector<float>;

TEST_CASE("bias and penalties") {
  CHECK(adjusted({.logit_bias = {{0, 5.0F}, {3, -100.0F}, {77, 1.0F}}}) == Logits{6, 2, -1, -100, 3});
  CHECK(adjusted({.repetition_penalty = 2}) == Logits{1, 1, -2, 0, 1.5F});
  CHECK(adjusted({.presence_penalty = 0.5F}) == Logits{1, 2, -1.5F, 0, 2.5F});
  CHECK(adjusted({.frequency_penalty = 0.5F}) == Logits{1, 2, -1.5F, 0, 2});
}

TEST_CASE("forbidden tokens") {
  CHECK(adjusted({.allowed_tokens = {1, 3, -4, 77}}) == Logits{kForbidden, 2, kForbidden, 0, kForbidden});
  CHECK(adjusted({.bad_words = {{3}, {4, 1}, {4, 4, 0}, {2, 2}, {0, 1, 2, 4, 4, 2}}}) ==
        Logits{kForbidden, kForbidden, -1, kForbidden, 3});
  CHECK(adjusted({.min_tokens = 4}) == Logits{kForbidden, 2, -1, 0, 3});
}

TEST_CASE("nothing to adjust") {
  CHECK_FALSE(LogitAdjustments{}.any(0));
  CHECK(LogitAdjustments{.min_tokens = 3}.any(2));
  CHECK_FALSE(LogitAdjustments{.min_tokens = 3}.any(3));
}

}  // namespace
}  // namespace gpuinfer::engine
