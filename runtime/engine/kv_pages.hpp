// Who owns which page of the KV cache.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/backend/backend.hpp"

namespace gpuinfer::engine {

/// Pages that hold `tokens` tokens.
constexpr std::int64_t pages_for(std::int64_t tokens) {
  return (tokens + backend::kPageTokens - 1) / backend::kPageTokens;
}

/// The pages that no sequence owns.
class PagePool {
 public:
  /// All pages 0 .. size-1 are free.
  explicit PagePool(std::int64_t size);

  std::int64_t size() const { return size_; }
  std::int64_t free() const { return static_cast<std::int64_t>(free_.size()); }

  /// Takes a page; there must be one.
  std::int32_t allocate();
  /// Gives a page back that allocate() returned.
  void release(std::int32_t page);

 private:
  std::int64_t size_;
  std::vector<std::int32_t> free_;  ///< The page that is allocated next stands last.
};

/// The pages of one sequence, in the order of its positions. They go back to the pool when the table ends.
class PageTable {
 public:
  explicit PageTable(PagePool& pool) : pool_(pool) {}
  ~PageTable() { clear(); }
  PageTable(const PageTable&) = delete;
  PageTable& operator=(const PageTable&) = delete;

  std::span<const std::int32_t> pages() const { return pages_; }

  /// Grows the table until it covers `tokens` positions. False, and nothing changed, where the pool has too few pages.
  bool reserve(std::int64_t tokens);
  /// Gives all pages back.
  void clear();

 private:
  PagePool& pool_;
  std::vector<std::int32_t> pages_;
};

}  // namespace gpuinfer::engine
