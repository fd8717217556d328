// Every backend against the logits that transformers computed for tiny models.
#include "fixture.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "catch.hpp"
#include "runtime/backend/cpu/cpu_backend.hpp"
#include "runtime/backend/reference/reference_backend.hpp"
#include "sequence.hpp"

namespace gpuinfer::backend {
namespace {

constexpr std::int64_t kPages = 24;

using MakeBackend = std::function<std::unique_ptr<Backend>(std::shared_ptr<const model::Model>)>;

struct NamedBackend {
  std::string name;
  MakeBackend make;
};

std::vector<NamedBackend> backends() {
  return {{"reference", [](auto model) { return make_reference_backend(model, kPages); }},
          {"cpu", [](auto model) { return make_cpu_backend(*model, kPages, 2); }}};
}

double relative_l2(std::span<const float> actual, std::span<const float> expected) {
  double difference = 0;
  double total = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(static_cast<double>(actual[i]) - static_cast<double>(expected[i]), 2);
    total += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(difference / total);
}

TokenId best(std::span<const float> logits) {
  return static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin());
}

void check_logits(Backend& backend, const FixturePrompt& prompt, std::size_t chunk) {
  Sequence sequence(kPages / 2, 1);
  const std::vector<float> logits = sequence.run(backend, prompt.ids, chunk);
  const auto vocab = static_cast<std::size_t>(backend.vocab_size());
  for (std::size_t token = 0; token < prompt.ids.size(); ++token) {
    const auto row = [&](const std::vector<float>& all) { return std::span(all).subspan(token * vocab, vocab); };
    INFO("prompt of " << prompt.ids.size() << " tokens, chunks of " << chunk << ", position " << token);
    REQUIRE(relative_l2(row(logits), row(prompt.logits)) < 1e-3);
  }
}

/// Equal up to the first step where the two best were closer than float32 arithmetic in another order may move them.
void check_greedy(Backend& backend, const FixturePrompt& prompt) {
  Sequence sequence(kPages / 2);
  std::vector<TokenId> next = prompt.ids;
  for (std::size_t step = 0; step < prompt.greedy.size() && prompt.greedy_margins[step] >= 0.01F; ++step) {
    std::vector<float> logits(static_cast<std::size_t>(backend.vocab_size()));
    const Slice slice = sequence.next(next, Logits::kLast);
    backend.forward(std::span(&slice, 1), logits);
    INFO("prompt of " << prompt.ids.size() << " tokens, step " << step);
    REQUIRE(best(logits) == prompt.greedy[step]);
    next = {prompt.greedy[step]};
  }
}

TEST_CASE("logits and greedy tokens equal those of transformers") {
  for (const char* name :
       {"llama", "llama3-rope", "mistral", "qwen2", "qwen3", "qwen3-moe", "gemma3", "gpt-oss-mxfp4"}) {
    const Fixture fixture = load_fixture(name);
    for (const NamedBackend& named : backends()) {
      DYNAMIC_SECTION(name << " on " << named.name) {
        const std::unique_ptr<Backend> backend = named.make(fixture.model);
        for (const FixturePrompt& prompt : fixture.prompts) {
          check_logits(*backend, prompt, prompt.ids.size());
          check_logits(*backend, prompt, 1);
          check_greedy(*backend, prompt);
        }
      }
    }
  }
}

}  // namespace
}  // namespace gpuinfer::backend
