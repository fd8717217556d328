// Which tokens sampling may choose, how often, and that a seed says which.
#include "runtime/engine/sampling.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "catch.hpp"
#include "runtime/engine/random.hpp"

namespace gpuinfer::engine {
namespace {

std::map<TokenId, int> counts(const std::vector<float>& logits, const SamplingParams& params, int draws) {
  Sampler sampler;
  std::map<TokenId, int> result;
  for (int i = 0; i < draws; ++i) {
    ++result[sampler.choose(logits, params, uniform(params.seed, static_cast<std::uint64_t>(i)))];
  }
  return result;
}

/// Logits whose softmax is `probabilities`.
std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

/// Pearson's statistic of `observed` against `probabilities`.
double chi_square(const std::map<TokenId, int>& observed, const std::vector<double>& probabilities, int draws) {
  double sum = 0;
  for (std::size_t token = 0; token < probabilities.size(); ++token) {
    const double expected = probabilities[token] * draws;
    const auto found = observed.find(static_cast<TokenId>(token));
    const double difference = (found == observed.end() ? 0 : found->second) - expected;
    sum += difference * difference / expected;
  }
  return sum;
}

TEST_CASE("greedy takes the largest logit, the first of equals") {
  CHECK(Sampler().choose(std::vector<float>{1, 3, 2, 3}, {.temperature = 0}, 0.99) == 1);
}

TEST_CASE("a forbidden token is never drawn") {
  const float forbidden = -std::numeric_limits<float>::infinity();
  for (const auto& [token, count] : counts({forbidden, 0, forbidden, 1}, {}, 500)) CHECK(token % 2 == 1);
}

TEST_CASE("numbers of neighbouring seeds and positions are independent and evenly spread") {
  double sum = 0;
  double products = 0;
  constexpr std::uint64_t kCount = 10000;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const double a = uniform(i, 0) - 0.5;
    sum += a;
    products += a * (uniform(i + 1, 0) - 0.5) + a * (uniform(i, 1) - 0.5);
    REQUIRE((a >= -0.5 && a < 0.5));
  }
  CHECK(std::abs(sum / kCount) < 0.01);        // standard deviation 0.003
  CHECK(std::abs(products / kCount) < 0.004);  // standard deviation 0.0012
}

TEST_CASE("tokens are drawn as often as softmax says") {
  const std::vector<double> probabilities = {0.4, 0.3, 0.15, 0.1, 0.05};
  const int draws = 20000;
  // 18.47 is the 99.9 % quantile of chi-square with 4 degrees of freedom; the seeds are fixed.
  for (const std::uint64_t seed : {1, 2, 3}) {
    CHECK(chi_square(counts(logits_of(probabilities), {.seed = seed}, draws), probabilities, draws) < 18.47);
  }

  std::vector<double> squared = probabilities;
  for (double& p : squared) p *= p;
  const double total = std::accumulate(squared.begin(), squared.end(), 0.0);
  for (double& p : squared) p /= total;
  CHECK(chi_square(counts(logits_of(probabilities), {.temperature = 0.5F, .seed = 4}, draws), squared, draws) < 18.47);
}

TEST_CASE("top_k, top_p and min_p keep the likeliest tokens") {
  const std::vector<float> logits = logits_of({0.1, 0.4, 0.05, 0.3, 0.15});
  struct Case {
    SamplingParams params;
    std::vector<TokenId> kept;
  };
  const auto [params, kept] = GENERATE(values<Case>({
      {{.top_k = 1}, {1}},
      {{.top_k = 2}, {1, 3}},
      {{.top_k = 5}, {0, 1, 2, 3, 4}},
      {{.top_k = 500}, {0, 1, 2, 3, 4}},
      {{.top_p = 0}, {1}},
      {{.top_p = 0.39F}, {1}},
      {{.top_p = 0.41F}, {1, 3}},
      {{.top_p = 0.86F}, {0, 1, 3, 4}},
      {{.top_p = 1}, {0, 1, 2, 3, 4}},
      {{.min_p = 1}, {1}},
      {{.min_p = 0.3F}, {1, 3, 4}},
      {{.top_k = 3, .top_p = 0.8F}, {1, 3}},  // 0.7 of the 0.85 that top_k left is above 0.8.
      {{.temperature = 0.01F}, {1}},
      {{.temperature = 1e-30F}, {1}},
  }));
  std::vector<TokenId> drawn;
  for (const auto& [token, count] : counts(logits, params, 2000)) drawn.push_back(token);
  CHECK(drawn == kept);
}

TEST_CASE("equal logits: the lower ids are kept") {
  for (const auto& [token, count] : counts({1, 1, 1, 1}, {.top_k = 2}, 200)) CHECK(token < 2);
}

TEST_CASE("top_p finds its tokens in a large flat vocabulary") {
  const std::vector<float> flat(5000, 0.5F);
  for (const auto& [token, count] : counts(flat, {.top_p = 0.5F}, 2000)) CHECK(token < 2500);
}

TEST_CASE("a seed decides the tokens, another seed decides others") {
  const std::vector<float> logits(1000, 0);
  const auto draw = [&](std::uint64_t seed) {
    Sampler sampler;
    std::vector<TokenId> tokens;
    for (std::uint64_t i = 0; i < 20; ++i) tokens.push_back(sampler.choose(logits, {}, uniform(seed, i)));
    return tokens;
  };
  CHECK(draw(42) == draw(42));
  CHECK(draw(42) != draw(43));
}

}  // namespace
}  // namespace gpuinfer::engine
