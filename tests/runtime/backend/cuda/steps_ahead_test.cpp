// Steps that are begun before the one before them has ended, on the GPU that tests/simt plays.
#include <stdexcept>

#include "../fixture.hpp"
#include "../sequence.hpp"
#include "catch.hpp"
#include "runtime/backend/cuda/cuda_backend.hpp"
#include "runtime/backend/cuda/device.hpp"
#include "simt/gpu.hpp"

namespace gpuinfer::backend {
namespace {

constexpr std::int64_t kPages = 24;
constexpr std::size_t kSteps = 6;
constexpr TokenId kUnknown[] = {0};

/// Two sequences that are generated side by side, one greedily and one by lot.
class Pair {
 public:
  Pair(const Fixture& fixture, Backend& backend)
      : prompts_{fixture.prompts[0].ids, fixture.prompts[1].ids},
        sequences_{Sequence(kPages / 2, 0), Sequence(kPages / 2, 1)} {
    for (TokenSampling& one : samplings_) one.generated_vocab_size = backend.vocab_size();
    samplings_[0].temperature = 0;
  }

  /// Their prompts, or a token of each: those that are given, or those that the step before chooses.
  std::vector<Slice> prompts() { return slices(prompts_[0], prompts_[1]); }
  std::vector<Slice> next(const std::vector<SampledToken>& tokens) {
    for (std::size_t i = 0; i < 2; ++i) last_[i] = tokens[i].id;
    return slices({&last_[0], 1}, {&last_[1], 1});
  }
  std::vector<Slice> next_after_step() {
    std::vector<Slice> batch = slices(kUnknown, kUnknown);
    for (std::size_t i = 0; i < 2; ++i) batch[i].follows = i;
    return batch;
  }

 private:
  std::vector<Slice> slices(std::span<const TokenId> first, std::span<const TokenId> second) {
    std::vector<Slice> batch = {sequences_[0].next(first, Logits::kNone), sequences_[1].next(second, Logits::kNone)};
    for (std::size_t i = 0; i < 2; ++i) batch[i].sampling = &samplings_[i];
    samplings_[1].number = 0.1 + 0.13 * static_cast<double>(step_++);
    return batch;
  }

  std::vector<TokenId> prompts_[2];
  Sequence sequences_[2];
  TokenSampling samplings_[2];
  TokenId last_[2] = {};
  int step_ = 0;
};

using Tokens = std::vector<std::vector<SampledToken>>;

/// Each step when the one before it is known.
Tokens one_by_one(const Fixture& fixture, Backend& backend) {
  Pair pair(fixture, backend);
  Tokens tokens(kSteps, std::vector<SampledToken>(2));
  for (std::size_t step = 0; step < kSteps; ++step) {
    backend.forward(step == 0 ? pair.prompts() : pair.next(tokens[step - 1]), {}, {}, tokens[step]);
  }
  return tokens;
}

std::unique_ptr<Backend> make(const Fixture& fixture) {
  return make_cuda_backend(*fixture.model, KvPlan::of_pages(kPages), 2);
}

TEST_CASE("steps that are begun ahead choose the same tokens, by the same graphs") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("llama");
  const std::unique_ptr<Backend> backend = make(fixture);
  REQUIRE(backend->runs_ahead());
  const Tokens expected = one_by_one(fixture, *backend);

  Pair pair(fixture, *backend);
  Tokens tokens(kSteps, std::vector<SampledToken>(2, SampledToken{.id = -7}));
  backend->begin(pair.prompts(), {}, {}, tokens[0]);
  for (std::size_t step = 1; step < kSteps; ++step) {
    backend->begin(pair.next_after_step(), {}, {}, tokens[step]);
    CHECK(tokens[step - 1] == std::vector<SampledToken>(2, SampledToken{.id = -7}));
    backend->finish();
    CHECK(tokens[step - 1] == expected[step - 1]);
  }
  backend->finish();
  CHECK(tokens.back() == expected.back());
  CHECK(simt::gpu().recorded == 1);
  CHECK(simt::gpu().graph_launches == 2 * (kSteps - 1) - 1);
}

TEST_CASE("a step may follow one whose rows the host looks at") {
  const Fixture fixture = load_fixture("llama");
  const std::unique_ptr<Backend> backend = make(fixture);
  const Tokens expected = one_by_one(fixture, *backend);

  Pair pair(fixture, *backend);
  std::vector<Slice> prompts = pair.prompts();
  prompts[1].logits = Logits::kLast;
  std::vector<float> logits(static_cast<std::size_t>(backend->vocab_size()));
  Tokens tokens(2, std::vector<SampledToken>(2));
  backend->begin(prompts, logits, {}, tokens[0]);
  backend->begin(pair.next_after_step(), {}, {}, tokens[1]);
  backend->finish();
  backend->finish();
  CHECK(tokens[0] == expected[0]);
  CHECK(tokens[1] == expected[1]);
}

TEST_CASE("a third step, and a token that follows none, are refused") {
  const Fixture fixture = load_fixture("llama");
  const std::unique_ptr<Backend> backend = make(fixture);
  std::vector<SampledToken> tokens(2);
  Pair pair(fixture, *backend);
  const std::vector<Slice> prompts = pair.prompts();
  std::vector<Slice> next = pair.next_after_step();
  CHECK_THROWS_AS(backend->finish(), std::logic_error);
  CHECK_THROWS_AS(backend->begin(next, {}, {}, tokens), std::invalid_argument);
  backend->begin(prompts, {}, {}, tokens);
  next[1].follows = 2;
  CHECK_THROWS_AS(backend->begin(next, {}, {}, tokens), std::invalid_argument);
  // That has ended the step before it as well.
  backend->begin(prompts, {}, {}, tokens);
  backend->begin(prompts, {}, {}, tokens);
  CHECK_THROWS_AS(backend->begin(prompts, {}, {}, tokens), std::logic_error);
  CHECK_THROWS_AS(backend->finish(), std::logic_error);
}

TEST_CASE("a step that cannot begin takes the one before it along, and those after them are as ever") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("llama");
  const std::unique_ptr<Backend> backend = make(fixture);
  const Tokens expected = one_by_one(fixture, *backend);
  std::vector<SampledToken> lost(2, SampledToken{.id = -7});
  {
    Pair pair(fixture, *backend);
    backend->begin(pair.prompts(), {}, {}, lost);
    std::vector<Slice> next = pair.next_after_step();
    const std::vector<LogitEdit> edits(10000, {.token = -1});
    TokenSampling sampling = *next[1].sampling;
    sampling.edits = edits;
    next[1].sampling = &sampling;
    simt::gpu().memory_bytes = simt::allocated_bytes();
    std::vector<SampledToken> tokens(2);
    CHECK_THROWS_AS(backend->begin(next, {}, {}, tokens), cuda::OutOfDeviceMemory);
  }
  CHECK(one_by_one(fixture, *backend) == expected);
  CHECK(lost == std::vector<SampledToken>(2, SampledToken{.id = -7}));
}

TEST_CASE("a fault is met where the step ends") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("llama");
  const std::unique_ptr<Backend> backend = make(fixture);
  std::vector<SampledToken> tokens(2);
  Pair pair(fixture, *backend);
  backend->begin(pair.prompts(), {}, {}, tokens);
  simt::gpu().waits_until_fault = 0;
  CHECK_NOTHROW(backend->begin(pair.next_after_step(), {}, {}, tokens));
  CHECK_THROWS_WITH(backend->finish(), Catch::Contains("illegal memory access"));
  CHECK_THROWS_AS(backend->finish(), std::logic_error);
}

}  // namespace
}  // namespace gpuinfer::backend
