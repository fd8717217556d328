// What happens when a mapped page cannot be read: the disk failed, or the file was cut short while it was mapped.
#pragma once

#include <cstddef>

namespace gpuinfer::model {

/// Watches one mapping of a file. The kernel reports such a page with SIGBUS, which would end the process without a
/// word. Here the whole mapping is replaced by zeros instead, so that the reading thread goes on, and failed() becomes
/// true: who used the bytes asks it before anyone sees what was computed from them.
class WatchedMapping {
 public:
  /// `data` is where the mapping begins. Throws Error where more than a thousand are watched.
  WatchedMapping(const std::byte* data, std::size_t size);
  ~WatchedMapping();
  WatchedMapping(const WatchedMapping&) = delete;
  WatchedMapping& operator=(const WatchedMapping&) = delete;

  bool failed() const;

 private:
  std::size_t slot_;
};

}  // namespace gpuinfer::model
