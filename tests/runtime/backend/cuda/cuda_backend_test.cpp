// The whole backend on the GPU that tests/simt plays: its own host code and kernels.
#include "runtime/backend/cuda/cuda_backend.hpp"

#include "../fixture.hpp"
#include "../relative_l2.hpp"
#include "../sequence.hpp"
#include "catch.hpp"
#include "runtime/backend/cuda/device.hpp"
#include "runtime/backend/cuda/device_model.hpp"
#include "runtime/backend/kv_groups.hpp"
#include "runtime/backend/reference/reference_backend.hpp"
#include "simt/gpu.hpp"

namespace gpuinfer::backend {
namespace {

constexpr std::int64_t kPages = 24;

/// The harness takes a tenth of a second for a token; longer contexts are the kernels' own tests' business.
constexpr std::size_t kLongestPrompt = 40;

/// Where there is nothing to attend to but oneself, all that differs from the reference is the order of sums.
constexpr double kLimitOfOneToken = 1e-6;
/// The weights of attention are rounded to bfloat16 too, and what differs by that is rounded again. In a mixture a
/// token may even go to another expert.
constexpr double kLimit = 1.5e-2;
constexpr double kLimitOfMixtures = 4e-2;
/// Transformers with bfloat16 is 0.8e-2 to 3.2e-2 away from its own float32 on these models (bfloat16_error.py).
constexpr double kLimitToTransformers = 2e-2;

std::unique_ptr<Backend> make(const Fixture& fixture) {
  return make_cuda_backend(*fixture.model, KvPlan::of_pages(kPages), 2);
}

std::vector<float> run(Backend& backend, const FixturePrompt& prompt, std::size_t chunk, std::int32_t first_page = 0) {
  return Sequence(kPages / 2, first_page).run(backend, prompt.ids, chunk);
}

TEST_CASE("logits equal those of the reference in bfloat16, and are the same bits in chunks of any size", "[long]") {
  for (const char* name :
       {"llama", "llama3-rope", "mistral", "qwen2", "qwen3", "qwen3-moe", "gemma3", "gpt-oss-mxfp4"}) {
    DYNAMIC_SECTION(name) {
      const Fixture fixture = load_fixture(name);
      const bool is_mixture = fixture.model->config.num_experts > 0;
      const std::unique_ptr<Backend> backend = make(fixture);
      const std::unique_ptr<Backend> reference =
          make_reference_backend(fixture.model, make_kv_groups(fixture.model->config, kPages), Precision::kBfloat16);
      for (const FixturePrompt& prompt : fixture.prompts) {
        const std::size_t length = prompt.ids.size();
        if (length > kLongestPrompt) continue;
        INFO("prompt of " << length << " tokens");
        const std::vector<float> logits = run(*backend, prompt, length, 1);
        CHECK(relative_l2(logits, run(*reference, prompt, length)) < (length == 1  ? kLimitOfOneToken
                                                                      : is_mixture ? kLimitOfMixtures
                                                                                   : kLimit));
        if (!is_mixture) CHECK(relative_l2(logits, prompt.logits) < kLimitToTransformers);
        CHECK(run(*backend, prompt, 7) == logits);
      }
    }
  }
}

TEST_CASE("what llama.cpp's converter makes of a model gives the same logits") {
  for (const char* name : {"gemma3", "gpt-oss-mxfp4"}) {
    DYNAMIC_SECTION(name) {
      const Fixture fixture = load_fixture(name);
      const FixturePrompt& prompt = fixture.prompts[1];
      const std::vector<float> expected = run(*make(fixture), prompt, 7);
      CHECK(relative_l2(run(*make(load_fixture(name, model::Layout::kGguf)), prompt, 7), expected) < 1e-2);
    }
  }
}

TEST_CASE("sequences in one batch do not see each other, and hidden states come along") {
  const Fixture fixture = load_fixture("qwen3");
  const std::unique_ptr<Backend> backend = make(fixture);
  const auto row = static_cast<std::size_t>(backend->vocab_size());
  const std::vector<TokenId>& first = fixture.prompts[1].ids;
  const std::vector<TokenId>& second = fixture.prompts[2].ids;
  const std::vector<float> first_alone = run(*backend, fixture.prompts[1], first.size());
  const std::vector<float> second_alone = run(*backend, fixture.prompts[2], second.size());

  Sequence one(kPages / 2, 0);
  Sequence other(kPages / 2, 1);
  Slice batch[] = {one.next(first, Logits::kLast), other.next(second, Logits::kAll)};
  batch[0].hidden = true;
  std::vector<float> logits((1 + second.size()) * row);
  std::vector<float> hidden(first.size() * static_cast<std::size_t>(backend->hidden_size()));
  backend->forward(batch, logits, hidden);
  CHECK(std::vector(logits.begin(), logits.begin() + static_cast<std::ptrdiff_t>(row)) ==
        std::vector(first_alone.end() - static_cast<std::ptrdiff_t>(row), first_alone.end()));
  CHECK(std::vector(logits.begin() + static_cast<std::ptrdiff_t>(row), logits.end()) == second_alone);

  const std::unique_ptr<Backend> reference =
      make_reference_backend(fixture.model, make_kv_groups(fixture.model->config, kPages), Precision::kBfloat16);
  std::vector<float> expected(hidden.size());
  Sequence sequence(kPages / 2);
  Slice slice = sequence.next(first, Logits::kNone);
  slice.hidden = true;
  reference->forward({&slice, 1}, {}, expected);
  CHECK(relative_l2(hidden, expected) < kLimit);
}

/// Of the first `count` tokens of a prompt that has so many.
std::vector<TokenId> some_tokens(const Fixture& fixture, std::size_t count) {
  for (const FixturePrompt& prompt : fixture.prompts) {
    if (prompt.ids.size() >= count)
      return {prompt.ids.begin(), prompt.ids.begin() + static_cast<std::ptrdiff_t>(count)};
  }
  throw std::logic_error("no prompt is so long");
}

TEST_CASE("tokens that are decoded by graphs have the bits of those in a prompt", "[long]") {
  for (const char* name :
       {"llama", "llama3-rope", "mistral", "qwen2", "qwen3", "qwen3-moe", "gemma3", "gpt-oss-mxfp4"}) {
    DYNAMIC_SECTION(name) {
      const simt::NewGpus gpus;
      const Fixture fixture = load_fixture(name);
      const std::vector<TokenId> ids = some_tokens(fixture, kPageTokens + 2);
      const std::unique_ptr<Backend> backend = make(fixture);
      const std::vector<float> logits = Sequence(kPages / 2).run(*backend, ids, ids.size());
      CHECK(simt::gpu().graph_launches == 0);
      CHECK(Sequence(kPages / 2, 1).run(*backend, ids, 1) == logits);
      CHECK(simt::gpu().recorded == 1);
      CHECK(simt::gpu().graph_launches == std::ssize(ids) - 1);
    }
  }
}

TEST_CASE("a graph serves other sequences and longer page tables") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("gemma3");
  const std::unique_ptr<Backend> backend = make(fixture);
  const auto row = static_cast<std::ptrdiff_t>(backend->vocab_size());
  const std::vector<TokenId> ids = some_tokens(fixture, kPageTokens + 6);
  const std::vector<float> expected = Sequence(kPages / 2).run(*backend, ids, ids.size());
  const auto expected_row = [&](std::size_t token) {
    const auto begin = expected.begin() + static_cast<std::ptrdiff_t>(token) * row;
    return std::vector<float>(begin, begin + row);
  };

  Sequence long_one(kPages / 2, 0);
  long_one.run(*backend, std::span(ids).first(kPageTokens - 3), ids.size());
  std::vector<float> logits(static_cast<std::size_t>(2 * row));
  std::size_t done = 0;
  for (int round = 0; round < 2; ++round) {
    Sequence other(kPages / 2, 1);
    for (std::size_t token = 0; token < 4; ++token, ++done) {
      const std::size_t place = kPageTokens - 3 + done;
      const Slice batch[] = {long_one.next(std::span(ids).subspan(place, 1), Logits::kLast),
                             other.next(std::span(ids).subspan(token, 1), Logits::kLast)};
      backend->forward(batch, logits, {});
      CHECK(std::vector<float>(logits.begin(), logits.begin() + row) == expected_row(place));
      CHECK(std::vector<float>(logits.begin() + row, logits.end()) == expected_row(token));
    }
  }
  CHECK(simt::gpu().recorded == 1);
  CHECK(simt::gpu().graph_launches == 7);
}

TEST_CASE("graphs are recorded anew when the inputs of a step have to move, and steps go on without") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("llama");
  const bool records = GENERATE(true, false);
  simt::gpu().records = records;
  const std::unique_ptr<Backend> backend = make(fixture);
  const std::vector<TokenId> ids = some_tokens(fixture, kPageTokens + 6);
  Sequence decoded(kPages / 2, 1);
  std::vector<float> logits = decoded.run(*backend, std::span(ids).first(3), 1);
  CHECK(simt::gpu().recorded == (records ? 1 : 0));
  const std::vector<float> expected = Sequence(kPages / 2, 0).run(*backend, ids, ids.size());
  const std::vector<float> rest = decoded.run(*backend, std::span(ids).subspan(3, 3), 1);
  CHECK(simt::gpu().recorded == (records ? 2 : 0));
  logits.insert(logits.end(), rest.begin(), rest.end());
  CHECK(std::equal(logits.begin(), logits.end(), expected.begin()));
}

TEST_CASE("without a GPU, and on one that is too small, the error says so and nothing is left behind") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("llama");
  simt::gpu().missing = "there is no NVIDIA driver";
  CHECK_THROWS_AS(make(fixture), cuda::NoDevice);
  simt::gpu().missing.reset();
  for (const std::int64_t bytes : {1 << 10, 1 << 18, 1 << 20, 1 << 22}) {
    simt::gpu().memory_bytes = bytes;
    CHECK_THROWS_WITH(make(fixture), Catch::Contains("GPU") && Catch::Contains("weights"));
    CHECK(simt::allocated_bytes() == 0);
  }
}

/// The least memory of the GPU on which `make_backend` succeeds.
template <typename Make>
std::int64_t least_memory(const Make& make_backend) {
  std::int64_t too_little = 0;
  std::int64_t enough = std::int64_t{1} << 30;
  while (too_little + 1 < enough) {
    const std::int64_t middle = (too_little + enough) / 2;
    simt::gpu().memory_bytes = middle;
    try {
      make_backend();
      enough = middle;
    } catch (const cuda::OutOfDeviceMemory&) {
      too_little = middle;
    }
  }
  return enough;
}

TEST_CASE("the KV cache gets what memory is left, between one sequence of the longest and all that can be used") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("gemma3");  // With and without a window.
  const model::ModelConfig& config = fixture.model->config;
  const KvPlan plan{.least_tokens = 100, .usual_tokens = 1, .most_tokens = 1000, .sequences = 3, .step_tokens = 40};
  const auto planned = [&] { return make_cuda_backend(*fixture.model, plan, 1)->kv_groups(); };
  const std::int64_t for_least = least_memory(planned);
  const std::int64_t for_most = least_memory([&] {
    make_cuda_backend(*fixture.model, KvPlan{plan.most_tokens, 0, plan.most_tokens, plan.sequences, plan.step_tokens},
                      1);
  });
  REQUIRE(for_least < for_most);

  simt::gpu().memory_bytes = for_least;
  CHECK(planned() == plan.groups(config, 100));
  simt::gpu().memory_bytes = for_most - 1;
  CHECK(planned() == plan.groups(config, (pages_for(1000) - 1) * kPageTokens));
  for (const std::int64_t bytes : {for_most, std::int64_t{1} << 30}) {
    simt::gpu().memory_bytes = bytes;
    CHECK(planned() == plan.groups(config, 1000));
  }
  simt::gpu().memory_bytes = (for_least + for_most) / 2;
  const auto between = planned();
  CHECK(between.front().pages > pages_for(plan.least_tokens));
  CHECK(between.front().pages < pages_for(plan.most_tokens));
  CHECK(between == plan.groups(config, between.front().pages * kPageTokens));
}

TEST_CASE("a GPU that is too small is refused with the setting with which it would do") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("llama");
  const auto make_with = [&](std::int64_t tokens) {
    return make_cuda_backend(*fixture.model, {.least_tokens = tokens, .most_tokens = 2 * tokens}, 1);
  };
  simt::gpu().memory_bytes = least_memory([&] { make_with(320); });
  try {
    make_with(500);
    FAIL("it fits");
  } catch (const cuda::OutOfDeviceMemory& error) {
    CHECK_THAT(error.what(), Catch::Contains("the KV cache of 500 tokens"));
    CHECK(error.remedy() == "Use --max-model-len 320, or a larger GPU.");
  }
  CHECK_NOTHROW(make_with(320));
  simt::gpu().memory_bytes = least_memory([&] { make_with(16); }) - 1;
  try {
    make_with(16);
    FAIL("it fits");
  } catch (const cuda::OutOfDeviceMemory& error) {
    CHECK(error.remedy() == "Use a larger GPU.");
  }
}

TEST_CASE("a model that the kernels cannot compute is refused before anything is brought") {
  model::Model model = *load_fixture("llama").model;
  model.config.head_dim = 48;
  CHECK_THROWS_WITH(make_cuda_backend(model, KvPlan::of_pages(kPages), 1), Catch::Contains("48"));
  CHECK_THROWS_AS(make_cuda_backend(model, KvPlan::of_pages(kPages), 1), cuda::UnsupportedModel);
}

TEST_CASE("a step whose inputs have no room on the GPU fails, and those after it do not") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("llama");
  const std::unique_ptr<Backend> backend = make(fixture);
  const std::vector<TokenId>& ids = fixture.prompts[0].ids;
  std::vector<LogitEdit> edits(10000, {.token = -1});
  TokenSampling sampling{.temperature = 0, .generated_vocab_size = backend->vocab_size()};
  const auto sample = [&] {
    Sequence sequence(kPages / 2);
    Slice slice = sequence.next(ids, Logits::kNone);
    slice.sampling = &sampling;
    SampledToken token;
    backend->forward({&slice, 1}, {}, {}, {&token, 1});
    return token;
  };
  const SampledToken expected = sample();
  simt::gpu().memory_bytes = simt::allocated_bytes() + std::ssize(edits);
  sampling.edits = edits;
  CHECK_THROWS_AS(sample(), cuda::OutOfDeviceMemory);
  sampling.edits = {};
  CHECK(sample() == expected);
}

TEST_CASE("a GPU that fails while it computes fails the step, and every later one") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("llama");
  const std::unique_ptr<Backend> backend = make(fixture);
  CHECK_NOTHROW(run(*backend, fixture.prompts[1], 7));
  simt::gpu().waits_until_fault = 0;
  CHECK_THROWS_WITH(run(*backend, fixture.prompts[1], 7), Catch::Contains("illegal memory access"));
  CHECK_THROWS_WITH(run(*backend, fixture.prompts[0], 7), Catch::Contains("illegal memory access"));
}

}  // namespace
}  // namespace gpuinfer::backend
