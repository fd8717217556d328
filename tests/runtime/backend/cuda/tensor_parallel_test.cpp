// The whole backend on several of the GPUs that tests/simt plays.
#include <algorithm>

#include "../fixture.hpp"
#include "../relative_l2.hpp"
#include "../sequence.hpp"
#include "catch.hpp"
#include "runtime/backend/cuda/cuda_backend.hpp"
#include "runtime/backend/cuda/device.hpp"
#include "runtime/backend/cuda/device_model.hpp"
#include "runtime/backend/kv_groups.hpp"
#include "runtime/backend/reference/reference_backend.hpp"
#include "simt/gpu.hpp"

namespace gpuinfer::backend {
namespace {

constexpr std::int64_t kPages = 24;
constexpr std::size_t kTokens = kPageTokens + 2;

/// As in cuda_backend_test.cpp.
constexpr double kLimitOfOneToken = 1e-6;
constexpr double kLimit = 1.5e-2;
constexpr double kLimitOfMixtures = 4e-2;

std::vector<TokenId> some_tokens(const Fixture& fixture) {
  for (const FixturePrompt& prompt : fixture.prompts) {
    if (prompt.ids.size() >= kTokens) return {prompt.ids.begin(), prompt.ids.begin() + kTokens};
  }
  throw std::logic_error("no prompt is so long");
}

std::unique_ptr<Backend> make(const model::Model& model, std::int64_t gpus) {
  return make_cuda_backend(model, KvPlan::of_pages(kPages), 2, gpus);
}

void check_logits(const std::shared_ptr<const model::Model>& model, const std::vector<TokenId>& ids,
                  std::int64_t gpus) {
  const std::unique_ptr<Backend> backend = make(*model, gpus);
  const std::unique_ptr<Backend> reference =
      make_reference_backend(model, make_kv_groups(model->config, kPages), Precision::kBfloat16);
  const auto logits_of = [](Backend& any, std::span<const TokenId> tokens, std::size_t chunk, std::int32_t page) {
    return Sequence(kPages / 2, page).run(any, tokens, chunk);
  };
  const auto one = std::span(ids).first(1);
  CHECK(relative_l2(logits_of(*backend, one, 1, 0), logits_of(*reference, one, 1, 0)) < kLimitOfOneToken);
  const std::vector<float> logits = logits_of(*backend, ids, ids.size(), 1);
  CHECK(relative_l2(logits, logits_of(*reference, ids, ids.size(), 0)) <
        (model->config.num_experts > 0 ? kLimitOfMixtures : kLimit));
  CHECK(logits_of(*backend, ids, ids.size() - 1, 0) == logits);  // A prompt, and a token after it.
}

TEST_CASE("two GPUs give the logits of the reference, the same bits in one chunk and in two", "[long]") {
  for (const char* name : {"llama", "qwen2", "qwen3", "qwen3-moe", "gemma3", "gpt-oss-mxfp4"}) {
    DYNAMIC_SECTION(name) {
      const simt::NewGpus gpus;
      const Fixture fixture = load_fixture(name);
      check_logits(fixture.model, some_tokens(fixture), 2);
    }
  }
}

/// A mixture with four key/value heads: those of the fixture, cut in two.
std::shared_ptr<const model::Model> with_more_heads(const model::Model& original) {
  model::Model model = original;
  model.config.head_dim /= 2;
  model.config.num_attention_heads *= 2;
  model.config.num_key_value_heads *= 2;
  for (model::Rope& rope : model.config.ropes) {
    rope.inverse_frequencies.resize(static_cast<std::size_t>(model.config.head_dim / 2));
  }
  for (model::LayerWeights& layer : model.weights.layers) layer.sinks = {};
  return std::make_shared<const model::Model>(std::move(model));
}

TEST_CASE("four GPUs do, also where the vocabulary does not divide", "[long]") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("gpt-oss-mxfp4");
  const auto model = with_more_heads(*fixture.model);
  check_logits(model, some_tokens(fixture), 4);

  model::Model odd = *model;
  odd.config.vocab_size = 318;
  odd.weights.embedding.shape.front() = odd.weights.lm_head.shape.front() = 318;
  check_logits(std::make_shared<const model::Model>(std::move(odd)), {1, 2, 3}, 4);
}

TEST_CASE("what llama.cpp's converter makes of a model is shared out too") {
  const Fixture fixture = load_fixture("gpt-oss-mxfp4", model::Layout::kGguf);
  check_logits(fixture.model, some_tokens(fixture), 2);
}

TEST_CASE("sequences in one batch on two GPUs have the bits that they have alone, and hidden states come along") {
  const Fixture fixture = load_fixture("gpt-oss-mxfp4");
  const std::unique_ptr<Backend> backend = make(*fixture.model, 2);
  const auto row = static_cast<std::ptrdiff_t>(backend->vocab_size());
  const std::vector<TokenId> ids = some_tokens(fixture);
  const std::span<const TokenId> first = std::span(ids).first(5);
  const std::span<const TokenId> second = std::span(ids).subspan(3, 9);
  const std::vector<float> first_alone = Sequence(kPages / 2, 0).run(*backend, first, first.size());
  const std::vector<float> second_alone = Sequence(kPages / 2, 1).run(*backend, second, second.size());
  const auto hidden_size = first.size() * static_cast<std::size_t>(backend->hidden_size());
  const auto with_hidden = [&](bool in_a_batch) {
    Sequence one(kPages / 2, 0);
    Sequence other(kPages / 2, 1);
    std::vector<Slice> batch = {one.next(first, Logits::kLast)};
    batch.front().hidden = true;
    if (in_a_batch) batch.push_back(other.next(second, Logits::kAll));
    std::vector<float> logits(static_cast<std::size_t>(row) * (in_a_batch ? 1 + second.size() : 1));
    std::vector<float> hidden(hidden_size);
    backend->forward(batch, logits, hidden);
    CHECK(std::vector(logits.begin(), logits.begin() + row) == std::vector(first_alone.end() - row, first_alone.end()));
    if (in_a_batch) CHECK(std::vector(logits.begin() + row, logits.end()) == second_alone);
    return hidden;
  };
  CHECK(with_hidden(true) == with_hidden(false));
}

TEST_CASE("decode steps on two GPUs are graphs between the exchanges, with the bits of a prompt") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("llama");
  const std::unique_ptr<Backend> backend = make(*fixture.model, 2);
  const std::vector<TokenId> ids = some_tokens(fixture);
  const auto prompt = std::span(ids).first(4);
  const std::vector<float> logits = Sequence(kPages / 2).run(*backend, prompt, prompt.size());
  CHECK(simt::gpu().graph_launches == 0);
  CHECK(Sequence(kPages / 2, 1).run(*backend, prompt, 1) == logits);
  const std::int64_t parts_of_both = 2 * (2 * fixture.model->config.num_hidden_layers() + 1);
  CHECK(simt::gpu().recorded == parts_of_both);
  CHECK(simt::gpu().graph_launches == parts_of_both * (std::ssize(prompt) - 1));
}

TEST_CASE("the log says how many GPUs there are") {
  CHECK(make(*load_fixture("llama").model, 2)->description() == "cuda (2 × the GPU of tests/simt)");
}

TEST_CASE("too few GPUs, and a model that they cannot share, are refused before anything is brought") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("llama");
  CHECK_THROWS_WITH(make(*fixture.model, 4), Catch::Contains("4 GPUs cannot share the model's 2 key/value heads"));
  simt::gpu().count = 1;
  CHECK_THROWS_WITH(make(*fixture.model, 2),
                    Catch::Contains("--tensor-parallel-size 2 needs as many GPUs, and this process sees 1"));
  CHECK(simt::allocated_bytes() == 0);
  simt::gpu().missing = "there is no NVIDIA driver";
  CHECK_THROWS_AS(make(*fixture.model, 2), cuda::NoDevice);
}

/// The pages of the KV cache, or the error.
std::string pages_of(const model::Model& model, std::int64_t gpus) {
  try {
    const KvPlan plan{.least_tokens = 100, .most_tokens = 4000};
    return std::to_string(make_cuda_backend(model, plan, 1, gpus)->kv_groups().front().pages);
  } catch (const cuda::OutOfDeviceMemory& error) {
    return std::string(error.what()) + " | " + error.remedy();
  }
}

TEST_CASE("the GPU with the least memory decides how much of the KV cache there is") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("llama");
  std::int64_t small_bytes = 0;
  const auto fits = [](const std::string& pages) { return pages.find(' ') == std::string::npos; };
  std::string small = "nothing fits";
  while (!fits(small)) {
    simt::gpu().memory_bytes = small_bytes += 1 << 18;
    small = pages_of(*fixture.model, 2);
  }
  simt::gpu().memory_bytes = std::int64_t{1} << 30;
  REQUIRE(pages_of(*fixture.model, 2) == "250");
  REQUIRE(small != "250");
  for (const int index : {0, 1}) {
    simt::gpu().other_memory_bytes = {{index, small_bytes}};
    CHECK(pages_of(*fixture.model, 2) == small);
    CHECK(simt::allocated_bytes() == 0);
  }
  simt::gpu().other_memory_bytes = {{1, 1 << 20}};
  CHECK_THAT(pages_of(*fixture.model, 2), Catch::Contains("of the memory of each of 2 GPUs") &&
                                              Catch::Contains("Use a larger --tensor-parallel-size, or larger GPUs."));
}

TEST_CASE("after one of several GPUs has failed no step is computed any more") {
  const simt::NewGpus gpus;
  const Fixture fixture = load_fixture("llama");
  const std::unique_ptr<Backend> backend = make(*fixture.model, 2);
  const std::vector<TokenId> ids = some_tokens(fixture);
  const auto run = [&] { Sequence(kPages / 2).run(*backend, std::span(ids).first(2), 2); };
  CHECK_NOTHROW(run());
  simt::gpu().waits_until_fault = 2 + 1;  // The second GPU's, behind those that a step begins with.
  CHECK_THROWS_WITH(run(), Catch::Contains("illegal memory access"));
  simt::gpu() = {};
  CHECK_THROWS_WITH(run(), Catch::Contains("illegal memory access"));
}

}  // namespace
}  // namespace gpuinfer::backend
