// Backends by name, and what they refuse.
#include "runtime/backend/select.hpp"

#include <stdexcept>

#include "base/error.hpp"
#include "catch.hpp"
#include "fixture.hpp"

namespace gpuinfer::backend {
namespace {

TEST_CASE("a backend is chosen by its name") {
  const auto model = load_fixture("llama").model;
  CHECK(make_backend("reference", model, 4, 0)->description() == "reference");
  CHECK(make_backend("cpu", model, 4, 1)->description().ends_with(", 1 thread)"));
  CHECK(make_backend("auto", model, 4, 2)->description().starts_with("cpu ("));
  CHECK_THROWS_AS(make_backend("tpu", model, 4, 0), Error);
  CHECK_THROWS_AS(make_backend("cpu", model, 0, 1), Error);
  CHECK_THROWS_AS(make_backend("cpu", model, std::int64_t{1} << 60, 1), Error);
}

TEST_CASE("a batch that does not fit is refused before anything is computed") {
  const auto model = load_fixture("llama").model;
  for (const char* name : {"reference", "cpu"}) {
    const auto backend = make_backend(name, model, 4, 1);
    std::vector<float> logits(static_cast<std::size_t>(backend->vocab_size()));
    const auto forward = [&](const Slice& slice) { backend->forward(std::span(&slice, 1), logits); };
    const std::vector<TokenId> tokens = {1, 2};
    const std::vector<TokenId> unknown = {static_cast<TokenId>(backend->vocab_size())};
    const std::vector<std::int32_t> pages = {3};
    const std::vector<std::int32_t> outside = {4};
    CHECK_NOTHROW(forward({tokens, 0, pages, Logits::kLast}));
    CHECK_THROWS_AS(forward({unknown, 0, pages, Logits::kLast}), std::invalid_argument);
    CHECK_THROWS_AS(forward({tokens, 0, outside, Logits::kLast}), std::invalid_argument);
    CHECK_THROWS_AS(forward({tokens, 15, pages, Logits::kLast}), std::invalid_argument);
    CHECK_THROWS_AS(forward({tokens, -1, pages, Logits::kLast}), std::invalid_argument);
    CHECK_THROWS_AS(forward({tokens, 0, pages, Logits::kAll}), std::invalid_argument);
    CHECK_THROWS_AS(forward({{}, 0, pages, Logits::kLast}), std::invalid_argument);
  }
}

}  // namespace
}  // namespace gpuinfer::backend
