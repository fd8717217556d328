// Who shares what with whom, and what goes behind a window.
#include "runtime/engine/kv_cache.hpp"

#include <algorithm>
#include <numeric>

#include "catch.hpp"

namespace gpuinfer::engine {
namespace {

using backend::kNoPage;
using Groups = std::vector<backend::KvGroup>;
constexpr std::int64_t kPage = backend::kPageTokens;

std::vector<TokenId> counting(std::int64_t count, TokenId from = 0) {
  std::vector<TokenId> tokens(static_cast<std::size_t>(count));
  std::iota(tokens.begin(), tokens.end(), from);
  return tokens;
}

void compute(KvCache& kv, Sequence& sequence, std::int64_t tokens) {
  REQUIRE(kv.reserve(sequence, tokens));
  kv.advance(sequence, tokens);
}

TEST_CASE("pages_for rounds up") {
  CHECK(pages_for(0) == 0);
  CHECK(pages_for(1) == 1);
  CHECK(pages_for(kPage) == 1);
  CHECK(pages_for(kPage + 1) == 2);
}

TEST_CASE("pages are taken as tokens are computed, refused where there are too few, and given back") {
  KvCache kv(Groups{{.pages = 4}});
  Sequence a(1, counting(100));
  Sequence b(2, counting(100, 500));
  compute(kv, a, 2 * kPage);
  CHECK(kv.held() == 2);
  CHECK_FALSE(kv.reserve(b, 2 * kPage + 1));
  CHECK(kv.held() == 2);
  compute(kv, b, 2 * kPage);
  CHECK(kv.usage() == 1);
  kv.release(a);
  CHECK(a.computed == 0);
  kv.release(b);
  CHECK(kv.held() == 0);
}

TEST_CASE("whoever begins with the same tokens shares whole pages, but computes the last token") {
  KvCache kv(Groups{{.pages = 16}});
  Sequence first(1, counting(3 * kPage));
  compute(kv, first, 3 * kPage);
  const auto reused = [&](std::vector<TokenId> tokens, const char* salt = "") {
    Sequence sequence(2, std::move(tokens), salt);
    kv.reuse(sequence);
    const std::int64_t count = sequence.computed;
    CHECK(sequence.reused_tokens == count);
    for (std::int64_t block = 0; block < count / kPage; ++block) {
      const auto index = static_cast<std::size_t>(block);
      CHECK(sequence.page_tables[0][index] == first.page_tables[0][index]);
    }
    kv.release(sequence);
    return count;
  };
  CHECK(reused(counting(3 * kPage)) == 2 * kPage);
  CHECK(reused(counting(3 * kPage + 1)) == 3 * kPage);
  CHECK(reused(counting(100)) == 3 * kPage);
  CHECK(reused(counting(kPage)) == 0);
  CHECK(reused(counting(100, 1)) == 0);
  CHECK(reused(counting(100), "another tenant") == 0);
  std::vector<TokenId> branches = counting(100);
  branches[kPage + 3] = 7;
  CHECK(reused(branches) == kPage);

  kv.release(first);
  CHECK(kv.held() == 0);
  Sequence later(3, counting(100));
  kv.reuse(later);
  CHECK(later.computed == 3 * kPage);
  kv.release(later);
}

TEST_CASE("nothing is shared where that is switched off, or where each token has to be computed") {
  KvCache off(Groups{{.pages = 16}}, false);
  KvCache on(Groups{{.pages = 16}});
  for (KvCache* kv : {&off, &on}) {
    Sequence first(1, counting(50));
    compute(*kv, first, 50);
    Sequence second(2, counting(50));
    second.reuse_prefix = kv == &off;
    kv->reuse(second);
    CHECK(second.computed == 0);
    kv->release(first);
  }
}

TEST_CASE("a block is remembered when its last token is known, and no later than when its sequence ends") {
  const bool goes_on = GENERATE(false, true);
  KvCache kv(Groups{{.pages = 16}});
  Sequence first(1, counting(kPage - 1));
  first.promised = 1;
  compute(kv, first, kPage);
  const auto reusable = [&] {
    Sequence other(2, counting(100));
    kv.reuse(other);
    const std::int64_t count = other.computed;
    kv.release(other);
    return count;
  };
  CHECK(reusable() == 0);
  first.tokens.push_back(kPage - 1);
  CHECK(reusable() == 0);
  if (goes_on) {
    compute(kv, first, 1);
  } else {
    kv.release(first);
  }
  CHECK(reusable() == kPage);
  kv.forget();
  CHECK(reusable() == 0);
}

TEST_CASE("layers with a window hold only what it reaches") {
  constexpr std::int64_t kWindow = 20;
  KvCache kv(Groups{{.pages = 16}, {.sliding_window = kWindow, .pages = 16}});
  Sequence sequence(1, counting(200));
  for (std::int64_t computed = 0; computed < 100; computed += 5) {
    compute(kv, sequence, 5);
    const std::vector<std::int32_t>& table = sequence.page_tables[1];
    for (std::int64_t block = 0; block < std::ssize(table); ++block) {
      const bool reached = (block + 1) * kPage > sequence.computed + 1 - kWindow;
      CHECK((table[static_cast<std::size_t>(block)] != kNoPage) == reached);
    }
    CHECK(std::ranges::count(sequence.page_tables[0], kNoPage) == 0);
  }
  kv.release(sequence);
  CHECK(kv.held() == 0);
}

TEST_CASE("a prefix is reused where the window's pages are there as well") {
  constexpr std::int64_t kWindow = 20;
  KvCache kv(Groups{{.pages = 16}, {.sliding_window = kWindow, .pages = 6}});
  Sequence first(1, counting(5 * kPage));
  for (int block = 0; block < 5; ++block) compute(kv, first, kPage);
  kv.release(first);

  Sequence second(2, counting(100));
  kv.reuse(second);
  CHECK(second.computed == 5 * kPage);
  const std::vector<std::int32_t>& table = second.page_tables[1];
  CHECK(std::ranges::count(table, kNoPage) == 3);  // The next token sees from 5 · 16 − 19 = 61 on.
  kv.release(second);

  // The window's last pages are needed for another sequence; those of full attention are still there.
  Sequence other(3, counting(100, 1000));
  compute(kv, other, 6 * kPage);
  kv.release(other);
  Sequence third(4, counting(100));
  kv.reuse(third);
  CHECK(third.computed < 5 * kPage);
  kv.release(third);
}

TEST_CASE("what can never fit is known beforehand") {
  const KvCache kv(Groups{{.pages = 8}, {.sliding_window = 20, .pages = 4}});
  CHECK(kv.can_hold(8 * kPage, 16));
  CHECK_FALSE(kv.can_hold(8 * kPage, 64));
  CHECK_FALSE(kv.can_hold(8 * kPage + 1, 16));
  CHECK(kv.can_hold(4 * kPage, 64));
}

}  // namespace
}  // namespace gpuinfer::engine
