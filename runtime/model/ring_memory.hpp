// A ring of memory in which whatever is shorter than the ring lies in one piece.
#pragma once

#include <cstddef>

namespace gpuinfer::model {

/// The same pages are mapped twice, one mapping behind the other: what goes over the end of the first goes on at the
/// beginning of the ring.
class RingMemory {
 public:
  /// `size` is a multiple of 4096. Throws Error where the memory is not there.
  explicit RingMemory(std::size_t size);
  ~RingMemory();
  RingMemory(const RingMemory&) = delete;
  RingMemory& operator=(const RingMemory&) = delete;

  std::size_t size() const { return size_; }
  /// Up to size() bytes from here on are the ring's.
  std::byte* at(std::size_t position) const { return data_ + position % size_; }

 private:
  std::size_t size_;
  std::byte* data_ = nullptr;
};

}  // namespace gpuinfer::model
