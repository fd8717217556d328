// base/huge_pages: containers on huge pages behave like others, below and above the size of a page.
#include "base/huge_pages.hpp"

#include <cstdint>
#include <numeric>
#include <vector>

#include "catch.hpp"

using namespace gpuinfer;

TEST_CASE("vectors on huge pages keep their elements when they grow, move and are copied") {
  std::vector<std::uint32_t, HugePageAllocator<std::uint32_t>> numbers;
  for (std::uint32_t i = 0; i < 3'000'000; ++i) numbers.push_back(i);
  const auto copy = numbers;
  const auto moved = std::move(numbers);
  CHECK(copy == moved);
  CHECK(std::accumulate(copy.begin(), copy.end(), std::uint64_t{0}) == 3'000'000ULL * 2'999'999 / 2);
}

TEST_CASE("large arrays begin at a huge page") {
  const std::vector<char, HugePageAllocator<char>> large(5 << 20);
  CHECK(reinterpret_cast<std::uintptr_t>(large.data()) % kHugePageBytes == 0);
}

TEST_CASE("elements without a value get their members' initial ones") {
  struct Slot {
    int id = -1;
  };
  const std::vector<Slot, HugePageAllocator<Slot>> slots(1000);
  CHECK(slots.back().id == -1);
}

TEST_CASE("asking for huge pages is harmless whatever the memory") {
  std::vector<char> memory(5 << 20, 'x');
  prefer_huge_pages(memory.data() + 1, memory.size() - 1);
  prefer_huge_pages(memory.data(), 10);
  prefer_huge_pages(nullptr, 0);
  CHECK(memory == std::vector<char>(5 << 20, 'x'));
}
