#include "runtime/selftest/generation.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "runtime/engine/random.hpp"
#include "runtime/engine/sampling.hpp"

namespace gpuinfer::selftest {
namespace {

using backend::Logits;
using backend::SampledToken;
using backend::Slice;

/// A CUDA graph is recorded when a shape of step comes for the second time; the later ones are launched.
constexpr std::size_t kSteps = 5;

constexpr engine::SamplingParams kParams[] = {
    {.temperature = 0}, {.temperature = 0.8F, .top_k = 20}, {.temperature = 1.5F, .top_p = 0.9F}, {.min_p = 0.05F}};
constexpr std::size_t kSequences = std::size(kParams);

using Tokens = std::array<SampledToken, kSequences>;

/// The sequences side by side: a token of each in every step.
class Generated {
 public:
  Generated(const backend::Backend& backend, std::span<const TokenId> prompts, Pages pages)
      : vocab_size_(backend.vocab_size()), prompts_(prompts) {
    for (std::size_t i = 0; i < kSequences; ++i) sequences_.emplace_back(backend, kSteps, pages);
  }

  /// The next step as a batch, valid until the next call. `last` are the tokens that the step before chose; null: they
  /// are not known yet.
  std::vector<Slice> next(const Tokens* last, Logits logits) {
    std::vector<Slice> batch;
    for (std::size_t i = 0; i < kSequences; ++i) {
      ids_[i] = step_ == 0 ? prompts_[i % prompts_.size()] : last != nullptr ? (*last)[i].id : 0;
      batch.push_back(sequences_[i].next(std::span(ids_).subspan(i, 1), logits));
      if (step_ > 0 && last == nullptr) batch.back().follows = i;
      samplings_[i] = {.number = number(i, step_),
                       .temperature = kParams[i].temperature,
                       .min_p = kParams[i].min_p,
                       .top_k = kParams[i].top_k,
                       .top_p = kParams[i].top_p,
                       .generated_vocab_size = vocab_size_};
      batch.back().sampling = &samplings_[i];
    }
    ++step_;
    return batch;
  }

  static double number(std::size_t sequence, std::size_t step) { return engine::uniform(sequence, step); }

 private:
  std::int64_t vocab_size_;
  std::span<const TokenId> prompts_;
  std::vector<Sequence> sequences_;
  std::array<TokenId, kSequences> ids_ = {};
  std::array<backend::TokenSampling, kSequences> samplings_;
  std::size_t step_ = 0;
};

std::string difference(std::size_t step, std::size_t sequence, TokenId actual, TokenId expected) {
  return "token " + std::to_string(actual) + " in place of " + std::to_string(expected) + ", in sequence " +
         std::to_string(sequence) + " at position " + std::to_string(step);
}

}  // namespace

std::int64_t pages_for_generation() { return static_cast<std::int64_t>(kSequences) * backend::pages_for(kSteps); }

void generate(backend::Backend& backend, std::span<const TokenId> prompts, const std::function<Pages()>& pages,
              const std::function<void(const std::string&, const std::string&)>& report) {
  const auto row = static_cast<std::size_t>(backend.vocab_size());
  std::vector<float> logits(kSequences * row);
  std::array<Tokens, kSteps> one_by_one;
  std::string wrong;
  Generated generated(backend, prompts, pages());
  engine::Sampler host;
  for (std::size_t step = 0; step < kSteps; ++step) {
    backend.forward(generated.next(step == 0 ? nullptr : &one_by_one[step - 1], Logits::kLast), logits, {},
                    one_by_one[step]);
    for (std::size_t i = 0; i < kSequences; ++i) {
      const std::span<const float> its = std::span(logits).subspan(i * row, row);
      const TokenId expected = host.choose(its, kParams[i], Generated::number(i, step));
      if (one_by_one[step][i].id != expected) wrong = difference(step, i, one_by_one[step][i].id, expected);
    }
    if (!wrong.empty()) break;  // It may be no token at all.
  }
  report("tokens that it chooses", wrong);
  if (!wrong.empty() || !backend.runs_ahead()) return;

  std::array<Tokens, kSteps> ahead;
  Generated again(backend, prompts, pages());
  for (std::size_t step = 0; step < kSteps; ++step) {
    backend.begin(again.next(nullptr, Logits::kNone), {}, {}, ahead[step]);
    if (step > 0) backend.finish();
  }
  backend.finish();
  for (std::size_t step = 0; step < kSteps; ++step) {
    for (std::size_t i = 0; i < kSequences && wrong.empty(); ++i) {
      if (ahead[step][i] == one_by_one[step][i]) continue;
      wrong = difference(step, i, ahead[step][i].id, one_by_one[step][i].id);
    }
  }
  report("the same, each step begun before the last one ends", wrong);
}

}  // namespace gpuinfer::selftest
