// Sequences and their pages.
#include "runtime/selftest/sequence.hpp"

#include <set>

#include "catch.hpp"
#include "runtime/backend/kv_groups.hpp"
#include "runtime/backend/reference/reference_backend.hpp"
#include "runtime/selftest/cases.hpp"

namespace gpuinfer::selftest {
namespace {

TEST_CASE("each page is given once, in no order, and no more than there are") {
  Pages pages(40, 1);
  std::vector<std::int32_t> taken;
  for (int i = 0; i < 40; ++i) taken.push_back(pages.take());
  CHECK(std::set(taken.begin(), taken.end()).size() == 40);
  CHECK_FALSE(std::ranges::is_sorted(taken));
  CHECK_THROWS_AS(pages.take(), std::logic_error);
}

TEST_CASE("what lies behind a window has no page") {
  const Case gemma =
      family_cases(
          {.vocab = 32, .hidden = 64, .intermediate = 64, .layers = 2, .head_dim = 32, .experts = 4, .window = 20})
          .at(3);
  const auto backend = backend::make_reference_backend(make_random_model(gemma.shape, 1),
                                                       backend::make_kv_groups(gemma.shape.config, 8));
  REQUIRE(backend->kv_groups()[1].sliding_window == 20);
  Pages pages(8, 1);
  Sequence sequence(*backend, 80, pages);
  const std::vector<TokenId> tokens(80);
  const auto without_pages = [](const backend::Slice& slice, std::size_t group) {
    return std::ranges::count(slice.page_tables[group], backend::kNoPage);
  };
  sequence.next(std::span(tokens).first(51), backend::Logits::kNone);
  const backend::Slice slice = sequence.next(std::span(tokens).subspan(51), backend::Logits::kLast);
  CHECK(slice.position == 51);
  CHECK(without_pages(slice, 0) == 0);
  CHECK(without_pages(slice, 1) == 2);  // Position 51 sees 32 and later ones.
}

}  // namespace
}  // namespace gpuinfer::selftest
