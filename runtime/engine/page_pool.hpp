// The pages of one KV group: who holds them, and which are remembered for what they contain.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "runtime/engine/block_hash.hpp"

namespace gpuinfer::engine {

/// A page is empty, held by one sequence or several, or idle: held by nobody, but remembered for its contents until its
/// place is needed.
class PagePool {
 public:
  /// The pages 0 .. size-1 are empty.
  explicit PagePool(std::int64_t size);

  std::int64_t size() const { return std::ssize(pages_); }
  /// Pages that allocate() can give: empty and idle ones.
  std::int64_t available() const { return std::ssize(empty_) + std::ssize(idle_); }
  std::int64_t held() const { return size() - available(); }

  /// Takes a page to write to; one must be available. If none is empty, the page that has been idle for longest is
  /// forgotten.
  std::int32_t allocate();
  /// Adds a holder to a page that is held or idle.
  void share(std::int32_t page);
  /// Takes a holder away.
  void release(std::int32_t page);

  /// Remembers what a held page contains. Nothing happens where another page with the same contents is remembered.
  void remember(std::int32_t page, const BlockHash& contents);
  /// The page with these contents.
  std::optional<std::int32_t> find(const BlockHash& contents) const;
  /// Forgets what all pages contain; idle ones are empty then.
  void forget();

 private:
  struct Page {
    std::int64_t holders = 0;
    std::optional<BlockHash> contents = {};
    std::list<std::int32_t>::iterator idle = {};  ///< Its place in idle_, where it is idle.
  };

  Page& at(std::int32_t page) { return pages_[static_cast<std::size_t>(page)]; }

  std::vector<Page> pages_;
  std::vector<std::int32_t> empty_;  ///< The page that is allocated next stands last.
  std::list<std::int32_t> idle_;     ///< The page that has been idle for longest stands first.
  std::unordered_map<BlockHash, std::int32_t, BlockHashHash> remembered_;
};

}  // namespace gpuinfer::engine
