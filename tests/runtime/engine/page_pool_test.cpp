// Pages are empty, held or idle, and nothing is lost between.
#include "runtime/engine/page_pool.hpp"

#include <set>

#include "catch.hpp"

namespace gpuinfer::engine {
namespace {

BlockHash contents(std::uint8_t number) { return {number}; }

TEST_CASE("a pool gives each page once") {
  PagePool pool(5);
  std::set<std::int32_t> pages;
  for (int i = 0; i < 5; ++i) pages.insert(pool.allocate());
  CHECK(pages == std::set<std::int32_t>{0, 1, 2, 3, 4});
  CHECK(pool.available() == 0);
  pool.release(3);
  CHECK(pool.allocate() == 3);
}

TEST_CASE("a shared page is held until its last holder releases it") {
  PagePool pool(1);
  const std::int32_t page = pool.allocate();
  pool.share(page);
  pool.release(page);
  CHECK(pool.held() == 1);
  pool.release(page);
  CHECK(pool.held() == 0);
}

TEST_CASE("what a page contains is remembered until its place is needed, the longest idle one first") {
  PagePool pool(3);
  const std::int32_t a = pool.allocate();
  const std::int32_t b = pool.allocate();
  pool.remember(a, contents(1));
  pool.remember(b, contents(2));
  pool.release(a);
  pool.release(b);
  CHECK(pool.available() == 3);
  CHECK(pool.find(contents(1)) == a);
  pool.share(a);
  pool.release(a);  // Now b has been idle for longer.

  const std::int32_t empty = pool.allocate();
  CHECK((empty != a && empty != b));
  CHECK(pool.allocate() == b);
  CHECK(pool.find(contents(2)) == std::nullopt);
  CHECK(pool.find(contents(1)) == a);
  CHECK(pool.allocate() == a);
  CHECK(pool.find(contents(1)) == std::nullopt);
}

TEST_CASE("forgotten pages are held as before, or empty") {
  PagePool pool(3);
  const std::int32_t held = pool.allocate();
  const std::int32_t idle = pool.allocate();
  pool.remember(held, contents(1));
  pool.remember(idle, contents(2));
  pool.release(idle);
  pool.forget();
  CHECK(pool.held() == 1);
  CHECK(pool.find(contents(1)) == std::nullopt);
  CHECK(pool.find(contents(2)) == std::nullopt);
  CHECK(pool.allocate() != held);
  CHECK(pool.allocate() != held);
  pool.remember(held, contents(3));
  pool.release(held);
  CHECK(pool.find(contents(3)) == held);
  CHECK(pool.available() == 1);
}

TEST_CASE("of two pages with the same contents one is remembered") {
  PagePool pool(2);
  const std::int32_t a = pool.allocate();
  const std::int32_t b = pool.allocate();
  pool.remember(a, contents(1));
  pool.remember(b, contents(1));
  CHECK(pool.find(contents(1)) == a);
  pool.release(b);
  CHECK(pool.allocate() == b);
  CHECK(pool.find(contents(1)) == a);
}

}  // namespace
}  // namespace gpuinfer::engine
