#include "runtime/engine/page_pool.hpp"

#include <cassert>
#include <numeric>

namespace gpuinfer::engine {

PagePool::PagePool(std::int64_t size) : pages_(static_cast<std::size_t>(size)), empty_(pages_.size()) {
  std::iota(empty_.rbegin(), empty_.rend(), 0);
}

std::int32_t PagePool::allocate() {
  assert(available() > 0);
  std::int32_t page = 0;
  if (!empty_.empty()) {
    page = empty_.back();
    empty_.pop_back();
  } else {
    page = idle_.front();
    idle_.pop_front();
    remembered_.erase(*at(page).contents);
    at(page).contents.reset();
  }
  at(page).holders = 1;
  return page;
}

void PagePool::share(std::int32_t page) {
  if (at(page).holders++ == 0) idle_.erase(at(page).idle);
}

void PagePool::release(std::int32_t page) {
  assert(at(page).holders > 0);
  if (--at(page).holders > 0) return;
  if (at(page).contents) {
    at(page).idle = idle_.insert(idle_.end(), page);
  } else {
    empty_.push_back(page);
  }
}

void PagePool::remember(std::int32_t page, const BlockHash& contents) {
  assert(at(page).holders > 0);
  if (!at(page).contents && remembered_.emplace(contents, page).second) at(page).contents = contents;
}

std::optional<std::int32_t> PagePool::find(const BlockHash& contents) const {
  const auto found = remembered_.find(contents);
  return found == remembered_.end() ? std::nullopt : std::optional(found->second);
}

void PagePool::forget() {
  for (Page& page : pages_) page.contents.reset();
  remembered_.clear();
  empty_.insert(empty_.end(), idle_.begin(), idle_.end());
  idle_.clear();
}

}  // namespace gpuinfer::engine
