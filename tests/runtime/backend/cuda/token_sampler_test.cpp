// Which rows of a step's logits are chosen from, and what they ask for, on the GPU that tests/simt plays.
#include "runtime/backend/cuda/token_sampler.hpp"

#include <algorithm>

#include "catch.hpp"
#include "runtime/engine/sampling.hpp"
#include "simt/random_values.hpp"

namespace gpuinfer::backend::cuda {
namespace {

constexpr std::int64_t kVocab = 36;

/// A workspace for models without layers.
model::ModelConfig config() {
  model::ModelConfig config;
  config.vocab_size = kVocab;
  return config;
}

/// As the backend does it: the logits come kLogitsRows rows at a time.
std::vector<SampledToken> sample_all(TokenSampler& sampler, const Workspace& work, std::span<const LogitsRow> rows,
                                     const std::vector<float>& logits) {
  Queue queue;
  sampler.begin(rows, queue);
  for (std::int64_t begin = 0; begin < std::ssize(rows); begin += kLogitsRows) {
    const std::int64_t count = std::min(kLogitsRows, std::ssize(rows) - begin);
    std::copy_n(logits.begin() + begin * kVocab, count * kVocab, work.logits.data());
    sampler.sample(begin, kVocab, work, queue);
  }
  sampler.download(work, queue);
  queue.wait();
  return {sampler.tokens().begin(), sampler.tokens().end()};
}

TEST_CASE("rows that ask get their tokens, in their order, wherever they are") {
  const Workspace work(config(), 1);
  TokenSampler sampler;
  const std::vector<std::uint32_t> only_even = {0x55555555, 0x5};
  const LogitEdit edits[] = {{.token = 2, .bias = 50}, {.token = 3, .bias = 100, .forbidden = true}};
  const std::int64_t count = 2 * kLogitsRows + 3;
  const std::vector<float> logits = simt::RandomValues(1).floats(count * kVocab);
  std::vector<TokenSampling> asked(static_cast<std::size_t>(count));
  std::vector<LogitsRow> rows(asked.size());
  std::vector<TokenId> expected;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].wanted = i % 2 == 0;
    if (i % 3 == 0 || (i > 70 && i < 120)) continue;
    asked[i] = {.temperature = 0, .generated_vocab_size = kVocab - 1};
    if (i % 5 == 0) asked[i].allowed = only_even;
    if (i % 4 == 0) asked[i].edits = edits;
    rows[i].sampling = &asked[i];
    std::vector<float> row(&logits[i * kVocab], &logits[i * kVocab] + kVocab - 1);
    for (std::size_t token = 1; token < row.size() && i % 5 == 0; token += 2) row[token] = -INFINITY;
    expected.push_back(i % 4 == 0 ? 2 : engine::most_likely(row));
  }
  // More than there was room for, fewer, none, and more again.
  for (const std::int64_t some : {count, kLogitsRows + 1, std::int64_t{1}, count}) {
    const std::span<const LogitsRow> part = std::span(rows).first(static_cast<std::size_t>(some));
    std::vector<TokenId> tokens;
    for (const SampledToken& token : sample_all(sampler, work, part, logits)) tokens.push_back(token.id);
    CHECK(std::ssize(tokens) == std::ranges::count_if(part, [](const LogitsRow& row) { return row.sampling; }));
    CHECK(std::equal(tokens.begin(), tokens.end(), expected.begin()));
  }
}

TEST_CASE("the tokens of a step stay while the next one is under way") {
  const Workspace work(config(), 1);
  TokenSampler sampler;
  Queue queue;
  const TokenSampling greedy{.temperature = 0, .generated_vocab_size = kVocab};
  const LogitsRow row{.sampling = &greedy};
  std::vector<Mark> ends;
  std::vector<std::span<const SampledToken>> tokens;
  const auto begin = [&](TokenId likeliest) {
    sampler.begin({&row, 1}, queue);
    std::fill_n(work.logits.data(), kVocab, 0.0F);
    work.logits.data()[likeliest] = 1;
    sampler.sample(0, kVocab, work, queue);
    sampler.download(work, queue);
    ends.push_back(queue.mark());
    tokens.push_back(sampler.tokens());
  };
  begin(3);
  for (const TokenId next : {4, 5, 6}) {
    begin(next);
    queue.wait_for(ends[ends.size() - 2]);
    CHECK(tokens[tokens.size() - 2].front().id == next - 1);
    CHECK(tokens.back().front().id != next);
  }
}

TEST_CASE("what decides among the tokens reaches the GPU") {
  const Workspace work(config(), 1);
  TokenSampler sampler;
  const std::vector<float> logits = simt::RandomValues(2).floats(kVocab, 0, 2);
  engine::Sampler on_host;
  for (const TokenSampling& params : {TokenSampling{.number = 0.7},
                                      {.number = 0.9, .temperature = 3},
                                      {.number = 0.95, .min_p = 0.3F},
                                      {.number = 0.99, .top_k = 3},
                                      {.number = 0.99, .top_k = std::int64_t{1} << 40},
                                      {.number = 0.9, .top_p = 0.4F}}) {
    TokenSampling asked = params;
    asked.generated_vocab_size = kVocab;
    asked.logprob = true;
    const LogitsRow row{.sampling = &asked};
    const SampledToken token = sample_all(sampler, work, {&row, 1}, logits).front();
    CHECK(token.id ==
          on_host.choose(
              logits,
              {.temperature = asked.temperature, .min_p = asked.min_p, .top_k = asked.top_k, .top_p = asked.top_p},
              asked.number));
    CHECK(token.logprob < 0);
  }

  // Each penalty moves the likeliest token from 5 to 6.
  std::vector<float> two(kVocab, 0);
  two[5] = 4;
  two[6] = 3;
  const LogitEdit edit{.token = 5, .seen = true, .answered = 1};
  for (const TokenSampling& params :
       {TokenSampling{.repetition_penalty = 2}, {.presence_penalty = 2}, {.frequency_penalty = 2}}) {
    TokenSampling asked = params;
    asked.temperature = 0;
    asked.generated_vocab_size = kVocab;
    asked.edits = {&edit, 1};
    const LogitsRow row{.sampling = &asked};
    CHECK(sample_all(sampler, work, {&row, 1}, two).front() == SampledToken{.id = 6});
  }
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
