// Each adjustment by example.
#include "runtime/engine/logit_adjustments.hpp"

#include <algorithm>
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

TEST_CASE("edits come once for each token, also where several adjustments concern it") {
  const std::vector<TokenId> prompt = {1, 2};
  const std::vector<TokenId> generated = {2, 2, 3};
  const History history{.prompt = prompt, .generated = generated, .stop_tokens = prompt};
  std::vector<backend::LogitEdit> edits = edits_of({.logit_bias = {{2, 1.0F}, {2, 0.5F}},
                                                    .repetition_penalty = 2,
                                                    .presence_penalty = 1,
                                                    .bad_words = {{3, 2}, {2, 9}},
                                                    .min_tokens = 3},
                                                   history);
  std::ranges::sort(edits, {}, &backend::LogitEdit::token);
  REQUIRE(edits.size() == 3);
  CHECK(edits[0].token == 1);
  CHECK(edits[0].seen);
  CHECK(edits[0].answered == 0);
  CHECK(edits[1].token == 2);
  CHECK(edits[1].bias == 1.5F);
  CHECK(edits[1].forbidden);
  CHECK(edits[1].answered == 2);
  CHECK(edits[2].token == 3);
  CHECK_FALSE(edits[2].forbidden);
  CHECK(edits_of({}, history).empty());
}

TEST_CASE("the mask has a bit for each allowed token of the vocabulary") {
  CHECK(allowed_mask({.allowed_tokens = {0, 31, 32, 64, -1, 65, 99}}, 65) ==
        std::vector<std::uint32_t>{1U | 1U << 31, 1, 1});
  CHECK(allowed_mask({}, 65).empty());
}

TEST_CASE("nothing to adjust") {
  CHECK_FALSE(LogitAdjustments{}.any(0));
  CHECK(LogitAdjustments{.min_tokens = 3}.any(2));
  CHECK_FALSE(LogitAdjustments{.min_tokens = 3}.any(3));
}

}  // namespace
}  // namespace gpuinfer::engine
