// Pages are owned once and come back.
#include "runtime/engine/kv_pages.hpp"

#include <set>

#include "catch.hpp"

namespace gpuinfer::engine {
namespace {

TEST_CASE("pages_for rounds up") {
  CHECK(pages_for(0) == 0);
  CHECK(pages_for(1) == 1);
  CHECK(pages_for(backend::kPageTokens) == 1);
  CHECK(pages_for(backend::kPageTokens + 1) == 2);
}

TEST_CASE("a pool gives each page once") {
  PagePool pool(5);
  std::set<std::int32_t> pages;
  for (int i = 0; i < 5; ++i) pages.insert(pool.allocate());
  CHECK(pages == std::set<std::int32_t>{0, 1, 2, 3, 4});
  CHECK(pool.free() == 0);
  pool.release(3);
  CHECK(pool.allocate() == 3);
}

TEST_CASE("a page table grows, refuses what the pool lacks, and gives everything back") {
  PagePool pool(4);
  {
    PageTable a(pool);
    PageTable b(pool);
    CHECK(a.reserve(backend::kPageTokens * 2));
    CHECK(a.reserve(1));
    CHECK(a.pages().size() == 2);
    CHECK_FALSE(b.reserve(backend::kPageTokens * 2 + 1));
    CHECK(b.pages().empty());
    CHECK(pool.free() == 2);
    CHECK(b.reserve(backend::kPageTokens * 2));
    CHECK(pool.free() == 0);
    a.clear();
    CHECK(pool.free() == 2);
  }
  CHECK(pool.free() == 4);
}

}  // namespace
}  // namespace gpuinfer::engine
