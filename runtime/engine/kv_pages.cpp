#include "runtime/engine/kv_pages.hpp"

#include <cassert>
#include <numeric>

namespace gpuinfer::engine {

PagePool::PagePool(std::int64_t size) : size_(size), free_(static_cast<std::size_t>(size)) {
  std::iota(free_.rbegin(), free_.rend(), 0);
}

std::int32_t PagePool::allocate() {
  assert(!free_.empty());
  const std::int32_t page = free_.back();
  free_.pop_back();
  return page;
}

void PagePool::release(std::int32_t page) {
  assert(free() < size());
  free_.push_back(page);
}

bool PageTable::reserve(std::int64_t tokens) {
  const std::int64_t missing = pages_for(tokens) - std::ssize(pages_);
  if (missing > pool_.free()) return false;
  for (std::int64_t i = 0; i < missing; ++i) pages_.push_back(pool_.allocate());
  return true;
}

void PageTable::clear() {
  for (const std::int32_t page : pages_) pool_.release(page);
  pages_.clear();
}

}  // namespace gpuinfer::engine
