// Backends by name, and what they refuse.
#include "runtime/backend/select.hpp"

#include <stdexcept>

#include "base/error.hpp"
#include "catch.hpp"
#include "fixture.hpp"
#include "runtime/backend/cpu/cpu_backend.hpp"
#include "runtime/backend/kv_groups.hpp"

namespace gpuinfer::backend {
namespace {

TEST_CASE("a backend is chosen by its name") {
  const auto model = load_fixture("llama").model;
  CHECK(make_backend("reference", model, KvPlan::of_pages(4), 0)->description() == "reference");
  CHECK(make_backend("cpu", model, KvPlan::of_pages(4), 1)->description().ends_with(", 1 thread)"));
  const std::string best = make_backend("auto", model, KvPlan::of_pages(4), 2)->description();
  CHECK((best.starts_with("cpu (") || best.starts_with("cuda (")));
  if (best.starts_with("cpu (")) {
    CHECK_THROWS_AS(make_backend("cuda", model, KvPlan::of_pages(4), 1), Error);
  }
  CHECK_THROWS_AS(make_backend("tpu", model, KvPlan::of_pages(4), 0), Error);
  CHECK_THROWS_AS(make_backend("cpu", model, KvPlan::of_pages(0), 1), Error);
  CHECK_THROWS_AS(make_cpu_backend(*model, make_kv_groups(model->config, std::int64_t{1} << 60), 1), Error);
}

TEST_CASE("several GPUs are never replaced by the CPU") {
  const auto model = load_fixture("llama").model;
  for (const char* name : {"cpu", "reference"}) {
    CHECK_THROWS_WITH(make_backend(name, model, KvPlan::of_pages(4), 1, 2),
                      Catch::Contains("--tensor-parallel-size 2 is for GPUs"));
  }
  // The model's two key/value heads, or no GPU, or a build without CUDA: never the CPU instead.
  CHECK_THROWS_AS(make_backend("auto", model, KvPlan::of_pages(4), 1, 4), Error);
}

TEST_CASE("a batch that does not fit is refused before anything is computed") {
  const auto model = load_fixture("llama").model;
  for (const char* name : {"reference", "cpu"}) {
    const auto backend = make_backend(name, model, KvPlan::of_pages(4), 1);
    std::vector<float> logits(static_cast<std::size_t>(backend->vocab_size()));
    const auto forward = [&](const Slice& slice) { backend->forward(std::span(&slice, 1), logits, {}); };
    const std::vector<TokenId> tokens = {1, 2};
    const std::vector<TokenId> unknown = {static_cast<TokenId>(backend->vocab_size())};
    const std::vector<std::int32_t> last = {3};
    const std::vector<std::int32_t> beyond = {4};
    const std::vector<std::int32_t> none = {kNoPage};
    const std::vector<PageTable> pages = {last};
    const std::vector<PageTable> outside = {beyond};
    const std::vector<PageTable> missing = {none};
    CHECK_NOTHROW(forward({tokens, 0, pages, Logits::kLast}));
    CHECK_THROWS_AS(forward({unknown, 0, pages, Logits::kLast}), std::invalid_argument);
    CHECK_THROWS_AS(forward({tokens, 0, outside, Logits::kLast}), std::invalid_argument);
    CHECK_THROWS_AS(forward({tokens, 0, missing, Logits::kLast}), std::invalid_argument);
    CHECK_THROWS_AS(forward({tokens, 0, {}, Logits::kLast}), std::invalid_argument);
    CHECK_THROWS_AS(forward({tokens, 0, pages, Logits::kLast, true}), std::invalid_argument);
    CHECK_THROWS_AS(forward({tokens, 15, pages, Logits::kLast}), std::invalid_argument);
    CHECK_THROWS_AS(forward({tokens, -1, pages, Logits::kLast}), std::invalid_argument);
    CHECK_THROWS_AS(forward({tokens, 0, pages, Logits::kAll}), std::invalid_argument);
    CHECK_THROWS_AS(forward({{}, 0, pages, Logits::kLast}), std::invalid_argument);
    const TokenSampling sampling{.generated_vocab_size = backend->vocab_size()};
    CHECK_THROWS_WITH(forward({.tokens = tokens, .page_tables = pages, .sampling = &sampling}),
                      Catch::Contains("does not sample"));
  }
}

}  // namespace
}  // namespace gpuinfer::backend
