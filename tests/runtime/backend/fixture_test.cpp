// Every backend against the logits that transformers computed for tiny models.
#include "fixture.hpp"

#include <algorithm>
#include <functional>

#include "catch.hpp"
#include "relative_l2.hpp"
#include "runtime/backend/cpu/cpu_backend.hpp"
#include "runtime/backend/kv_groups.hpp"
#include "runtime/backend/reference/reference_backend.hpp"
#include "sequence.hpp"

namespace gpuinfer::backend {
namespace {

constexpr std::int64_t kPages = 24;

using MakeBackend = std::function<std::unique_ptr<Backend>(std::shared_ptr<const model::Model>)>;

struct NamedBackend {
  std::string name;
  /// Of the relative L2 error of logits.
  double limit;
  MakeBackend make;
};

MakeBackend cpu(KvType type) {
  return [type](auto model) { return make_cpu_backend(*model, make_kv_groups(model->config, kPages), 2, type); };
}

std::vector<NamedBackend> backends() {
  return {{"reference", 1e-3,
           [](auto model) { return make_reference_backend(model, make_kv_groups(model->config, kPages)); }},
          {"cpu", 1e-3, cpu(KvType::kFloat32)},
          {"cpu with 16-bit keys and values", 1e-2, cpu(KvType::kFloat16)}};
}

TokenId best(std::span<const float> logits) {
  return static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin());
}

void check_logits(Backend& backend, const FixturePrompt& prompt, std::size_t chunk, double limit) {
  Sequence sequence(kPages / 2, 1);
  const std::vector<float> logits = sequence.run(backend, prompt.ids, chunk);
  const auto vocab = static_cast<std::size_t>(backend.vocab_size());
  for (std::size_t token = 0; token < prompt.ids.size(); ++token) {
    const auto row = [&](const std::vector<float>& all) { return std::span(all).subspan(token * vocab, vocab); };
    INFO("prompt of " << prompt.ids.size() << " tokens, chunks of " << chunk << ", position " << token);
    REQUIRE(relative_l2(row(logits), row(prompt.logits)) < limit);
  }
}

/// Equal up to the first step where the two best were closer than float32 arithmetic in another order may move them.
void check_greedy(Backend& backend, const FixturePrompt& prompt) {
  Sequence sequence(kPages / 2);
  std::vector<TokenId> next = prompt.ids;
  for (std::size_t step = 0; step < prompt.greedy.size() && prompt.greedy_margins[step] >= 0.01F; ++step) {
    std::vector<float> logits(static_cast<std::size_t>(backend.vocab_size()));
    const Slice slice = sequence.next(next, Logits::kLast);
    backend.forward(std::span(&slice, 1), logits, {});
    INFO("prompt of " << prompt.ids.size() << " tokens, step " << step);
    REQUIRE(best(logits) == prompt.greedy[step]);
    next = {prompt.greedy[step]};
  }
}

constexpr const char* kFixtures[] = {"llama", "llama3-rope", "mistral", "qwen2",
                                     "qwen3", "qwen3-moe",   "gemma3",  "gpt-oss-mxfp4"};

TEST_CASE("logits and greedy tokens equal those of transformers") {
  for (const char* name : kFixtures) {
    const Fixture fixture = load_fixture(name);
    for (const NamedBackend& named : backends()) {
      DYNAMIC_SECTION(name << " on " << named.name) {
        const std::unique_ptr<Backend> backend = named.make(fixture.model);
        for (const FixturePrompt& prompt : fixture.prompts) {
          for (const std::size_t chunk : {std::size_t{1}, std::size_t{7}, std::size_t{64}, prompt.ids.size()}) {
            check_logits(*backend, prompt, chunk, named.limit);
          }
          check_greedy(*backend, prompt);
        }
      }
    }
  }
}

TEST_CASE("weights in llama.cpp's files give the logits of transformers") {
  for (const char* name : kFixtures) {
    const Fixture fixture = load_fixture(name, model::Layout::kGguf);
    for (const NamedBackend& named : backends()) {
      DYNAMIC_SECTION(name << " on " << named.name) {
        const std::unique_ptr<Backend> backend = named.make(fixture.model);
        for (const FixturePrompt& prompt : fixture.prompts) check_logits(*backend, prompt, 64, named.limit);
      }
    }
  }
}

}  // namespace
}  // namespace gpuinfer::backend
