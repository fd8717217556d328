// sample() against the engine's sampler, which chooses on the CPU.
#include "runtime/backend/cuda/sampling.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>
#include <span>

#include "catch.hpp"
#include "runtime/engine/logit_adjustments.hpp"
#include "runtime/engine/logprobs.hpp"
#include "runtime/engine/random.hpp"
#include "runtime/engine/sampling.hpp"
#include "simt/buffer.hpp"
#include "simt/random_values.hpp"
#include "simt/schedule.hpp"

namespace gpuinfer::backend::cuda {
namespace {

/// A batch of rows, and what the kernel makes of them.
struct Case {
  std::int64_t vocab;
  std::vector<float> logits = {};
  std::vector<SampledRow> rows = {};
  std::vector<LogitEdit> edits = {};
  std::vector<std::uint32_t> allowed = {};

  /// All tokens of the vocabulary may come, unless the parameters say otherwise.
  void add(const std::vector<float>& row, SampledRow params) {
    params.row = static_cast<std::int32_t>(rows.size());
    params.logprob = true;
    if (params.generated_vocab_size == 0) params.generated_vocab_size = static_cast<std::int32_t>(vocab);
    logits.insert(logits.end(), row.begin(), row.end());
    rows.push_back(params);
  }
};

struct Result {
  std::vector<std::int32_t> tokens;
  std::vector<float> logprobs;
};

Result run(const Case& test) {
  const simt::Input rows(test.rows);
  const simt::Input edits(test.edits);
  const simt::Input allowed(test.allowed);
  simt::Output<float> logits(test.logits);
  simt::Output<float> unedited(test.edits.size());
  simt::Output<SampledToken> tokens(test.rows.size());
  sample({.logits = logits.data(),
          .rows = rows.data(),
          .edits = edits.data(),
          .unedited = unedited.data(),
          .allowed = allowed.data(),
          .tokens = tokens.data(),
          .row_count = std::ssize(test.rows),
          .vocab = test.vocab},
         nullptr);
  unedited.values();  // Was anything written beside them?
  const auto same_bits = [](float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
  };
  CHECK(std::ranges::equal(logits.values(), test.logits, same_bits));
  Result result;
  for (const SampledToken& token : tokens.values()) {
    result.tokens.push_back(token.id);
    result.logprobs.push_back(token.logprob);
  }
  return result;
}

/// The parameters, as the engine calls them.
engine::SamplingParams params_of(const SampledRow& row) {
  return {.temperature = row.temperature, .min_p = row.min_p, .top_k = row.top_k, .top_p = row.top_p};
}

const std::vector<SampledRow> kParams = {{.temperature = 0},
                                         {},
                                         {.temperature = 0.5F},
                                         {.temperature = 3, .min_p = 0.02F},
                                         {.top_p = 0.9F},
                                         {.top_p = 0},
                                         {.temperature = 5, .top_p = 0.999F},
                                         {.top_p = 0.7F, .top_k = 20},
                                         {.min_p = 0.01F, .top_p = 0.95F, .top_k = 1000000},
                                         {.top_k = 1},
                                         {.temperature = 2, .top_k = 50},
                                         {.temperature = 1e-30F},
                                         {.min_p = 1}};

/// A row for each of the parameters, and what the engine chooses from it.
struct Oracle {
  Case test;
  std::vector<std::int32_t> expected;

  Oracle(std::int64_t vocab, std::span<const SampledRow> all_params) : test{.vocab = vocab} {
    simt::RandomValues random(static_cast<std::uint64_t>(vocab));
    engine::Sampler sampler;
    for (SampledRow params : all_params) {
      const std::uint64_t position = test.rows.size();
      const std::vector<float> row = random.floats(vocab, 1, position % 2 == 0 ? 3.0F : 0.5F);
      params.number = engine::uniform(7, position);
      test.add(row, params);
      expected.push_back(sampler.choose(row, params_of(params), params.number));
    }
  }
};

TEST_CASE("tokens are those that the engine's sampler chooses") {
  for (const std::int64_t vocab : {1, 33, 3004}) {
    const Oracle oracle(vocab, kParams);
    CHECK(run(oracle.test).tokens == oracle.expected);
  }
}

TEST_CASE("tokens do not depend on the order in which threads run") {
  const Oracle oracle(701, std::span(kParams).subspan(4, 4));
  simt::under_schedules([&] { CHECK(run(oracle.test).tokens == oracle.expected); });
}

TEST_CASE("among equal logits the lower ids are likelier") {
  Case test{.vocab = 1500};
  const std::vector<float> flat(1500, -2.5F);
  for (int i = 0; i < 5; ++i) {
    const double number = i / 5.0;
    test.add(flat, {.number = number, .top_k = 20});
    test.add(flat, {.number = number, .top_p = 0.5F});
    test.add(flat, {.number = number});
    test.add(flat, {.number = number, .temperature = 0});
  }
  const std::vector<std::int32_t> tokens = run(test).tokens;
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(tokens[4 * i] == static_cast<std::int32_t>(i * 20 / 5));
    CHECK(std::abs(tokens[4 * i + 1] - static_cast<std::int32_t>(i) * 750 / 5) <= 1);
    CHECK(std::abs(tokens[4 * i + 2] - static_cast<std::int32_t>(i) * 1500 / 5) <= 1);
    CHECK(tokens[4 * i + 3] == 0);
  }
}

TEST_CASE("top_k keeps exactly its tokens") {
  const std::vector<float> logits = simt::RandomValues(9).floats(300);
  std::vector<std::int32_t> likeliest(300);
  for (std::size_t i = 0; i < 300; ++i) likeliest[i] = static_cast<std::int32_t>(i);
  std::ranges::sort(likeliest, std::greater<>(), [&](std::int32_t i) { return logits[static_cast<std::size_t>(i)]; });
  Case test{.vocab = 300};
  for (int i = 0; i < 14; ++i) test.add(logits, {.number = i / 14.0, .temperature = 100, .top_k = 7});
  const std::vector<std::int32_t> tokens = run(test).tokens;
  CHECK(std::set(tokens.begin(), tokens.end()) == std::set(likeliest.begin(), likeliest.begin() + 7));
  CHECK(std::ranges::is_sorted(tokens, {}, [&](std::int32_t token) { return std::ranges::find(likeliest, token); }));
}

TEST_CASE("logits are edited as the engine does it, and left as they were") {
  constexpr std::int64_t kVocab = 200;
  const engine::LogitAdjustments adjustments{.logit_bias = {{3, 4.0F}, {7, -100.0F}},
                                             .repetition_penalty = 1.7F,
                                             .presence_penalty = 0.5F,
                                             .frequency_penalty = 0.25F,
                                             .min_tokens = 100};
  const std::vector<TokenId> prompt = {7, 11, 12};
  const std::vector<TokenId> answer = {12, 13, 12, 14};
  const std::vector<TokenId> stops = {20, 21};
  std::map<TokenId, LogitEdit> edits;
  for (const auto& [token, bias] : adjustments.logit_bias) edits[token].bias = bias;
  for (const TokenId token : prompt) edits[token].seen = true;
  for (const TokenId token : answer) edits[token].seen = true, ++edits[token].answered;
  for (const TokenId token : stops) edits[token].forbidden = true;

  edits[kVocab].bias = 5;  // The model has no such token.
  for (auto& [token, edit] : edits) edit.token = token;

  Case test{.vocab = kVocab};
  std::vector<std::int32_t> expected;
  engine::Sampler sampler;
  simt::RandomValues random(10);
  for (int i = 0; i < 20; ++i) {
    std::vector<float> row = random.floats(kVocab);
    for (const TokenId token : {3, 7, 12, 13, 20}) row[static_cast<std::size_t>(token)] += 4;
    const SampledRow params{.number = engine::uniform(11, static_cast<std::uint64_t>(i)),
                            .temperature = i % 2 == 0 ? 0.0F : 0.8F,
                            .repetition_penalty = adjustments.repetition_penalty,
                            .presence_penalty = adjustments.presence_penalty,
                            .frequency_penalty = adjustments.frequency_penalty,
                            .first_edit = static_cast<std::int32_t>(test.edits.size()),
                            .edits = static_cast<std::int32_t>(edits.size())};
    for (const auto& [token, edit] : edits) test.edits.push_back(edit);
    test.add(row, params);
    engine::adjust(row, adjustments, {.prompt = prompt, .generated = answer, .stop_tokens = stops});
    expected.push_back(sampler.choose(row, params_of(params), params.number));
  }
  CHECK(run(test).tokens == expected);
}

TEST_CASE("only allowed tokens are chosen") {
  Case test{.vocab = 70, .allowed = {0, 0xFFFFFFFFU, 1U << 5, 0, 0, 1U << 3}};
  std::vector<float> logits = simt::RandomValues(12).floats(70);
  for (int i = 0; i < 6; ++i) {
    test.add(logits, {.number = i / 6.0, .temperature = i % 5 == 0 ? 0.0F : 2.0F, .allowed = 1});
    test.add(logits, {.number = i / 6.0, .top_p = 0.9F, .allowed = 3});
  }
  const std::vector<std::int32_t> tokens = run(test).tokens;
  for (std::size_t i = 0; i < tokens.size(); i += 2) {
    CHECK((tokens[i] < 32 || tokens[i] == 37));
    CHECK(tokens[i + 1] == 67);
  }
}

TEST_CASE("a token's logprob is that of the model, whatever the request edits") {
  Case test{.vocab = 3001, .edits = {{.token = 2999, .bias = 100}, {.token = 5, .forbidden = true}}};
  const std::vector<float> logits = simt::RandomValues(13).floats(3001, 3, 4);
  for (int i = 0; i < 10; ++i) test.add(logits, {.number = i / 10.0});
  test.add(logits, {.edits = 2});
  const Result result = run(test);
  CHECK(result.tokens.back() == 2999);
  for (std::size_t i = 0; i < result.tokens.size(); ++i) {
    CHECK(result.logprobs[i] == Approx(engine::logprobs_of(logits, result.tokens[i], 0).token.logprob).margin(1e-5));
  }
}

TEST_CASE("rows without a token that can come say why") {
  Case test{
      .vocab = 40,
      .edits = {{.token = 3, .forbidden = true}, {.token = 4, .bias = -INFINITY}, {.token = 3, .forbidden = true}},
      .allowed = {1U << 3 | 1U << 4, 0}};
  const float none = -INFINITY;
  test.add(std::vector<float>(40, none), {.number = 0.5});
  test.add(std::vector<float>(40, NAN), {.number = 0.5, .top_p = 0.5F, .top_k = 3});
  std::vector<float> infinite(40, 1);
  infinite[9] = INFINITY;
  test.add(infinite, {.number = 0.5, .top_k = 3});
  const std::vector<float> flat(40, 1);
  test.add(flat, {.edits = 2, .allowed = 0});
  test.add(flat, {.first_edit = 2, .edits = 1, .allowed = 0});
  CHECK(run(test).tokens == std::vector<std::int32_t>{SampledToken::kNotFinite, SampledToken::kNotFinite,
                                                      SampledToken::kNotFinite, SampledToken::kNoneAllowed, 4});
}

TEST_CASE("the vocabulary's padding is never chosen, and counts in logprobs") {
  for (const std::int64_t vocab : {101, 104}) {
    Case test{.vocab = vocab, .edits = {{.token = 99, .bias = 100}, {.token = 98, .forbidden = true}}};
    std::vector<float> logits = simt::RandomValues(14).floats(vocab, 1, 3);
    logits[98] = 13;
    logits[100] = 20;
    const auto padded = [&](SampledRow params) {
      params.generated_vocab_size = 99;
      test.add(logits, params);
    };
    padded({.temperature = 0});
    padded({.temperature = 0, .edits = 2});
    padded({.number = 0.999999, .temperature = 9});
    padded({.number = 0.999999, .temperature = 9, .top_p = 0.9999F, .top_k = 99});
    const Result result = run(test);
    CHECK(result.tokens[0] == 98);
    for (std::size_t i = 1; i < 4; ++i) CHECK(result.tokens[i] < 99);
    CHECK(result.tokens[1] != 98);
    CHECK(result.logprobs[0] == Approx(engine::logprobs_of(logits, 98, 0).token.logprob).margin(1e-5));
  }
}

TEST_CASE("rows of logits are chosen from in any order, and some not at all") {
  Case test = Oracle(300, std::span(kParams).first(6)).test;
  const Result all = run(test);
  test.rows = {test.rows[4], test.rows[1], test.rows[5]};
  CHECK(run(test).tokens == std::vector<std::int32_t>{all.tokens[4], all.tokens[1], all.tokens[5]});
}

TEST_CASE("a logprob is given to those who want it") {
  Case test{.vocab = 50};
  test.add(simt::RandomValues(15).floats(50), {.number = 0.3});
  const Result with = run(test);
  test.rows[0].logprob = false;
  const Result without = run(test);
  CHECK(without.tokens == with.tokens);
  CHECK(with.logprobs[0] < 0);
  CHECK(without.logprobs[0] == 0);
}

TEST_CASE("a row's token is the same alone and in a batch") {
  const Case batch = Oracle(999, std::span(kParams).first(5)).test;
  const Result all = run(batch);
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    Case alone{.vocab = 999};
    alone.add({batch.logits.begin() + static_cast<std::ptrdiff_t>(i) * 999,
               batch.logits.begin() + static_cast<std::ptrdiff_t>(i + 1) * 999},
              batch.rows[i]);
    const Result one = run(alone);
    CHECK(one.tokens[0] == all.tokens[i]);
    CHECK(one.logprobs[0] == all.logprobs[i]);
  }
}

TEST_CASE("the cost of sampling is reading the logits") {
  CHECK(cost(Sampling{.row_count = 3, .vocab = 100}) == Cost{.bytes = 3 * 408, .flops = 600});
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
