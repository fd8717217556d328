// What the kernels of a step read besides weights: brought to the GPU in one copy.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "runtime/backend/cuda/device.hpp"

namespace gpuinfer::backend::cuda {

/// Arrays are collected in pinned memory, which the GPU reads while the host goes on, and uploaded together; addresses
/// are known after that. Those of two steps in a row are collected in different places: the first ones may still be on
/// their way.
class StepInputs {
 public:
  /// Where an array will be.
  template <typename T>
  struct Place {
    std::size_t offset = 0;
    std::int64_t count = 0;
  };

  /// Begins a step. The one before the last has been waited for.
  void clear() {
    turn_ = 1 - turn_;
    size_ = 0;
  }

  template <typename T>
  Place<T> add(std::span<const T> values) {
    constexpr std::size_t kAlignment = 16;
    const std::size_t offset = (size_ + kAlignment - 1) / kAlignment * kAlignment;
    resize(offset + values.size_bytes());
    if (!values.empty()) std::memcpy(pinned().span().data() + offset, values.data(), values.size_bytes());
    return {offset, static_cast<std::int64_t>(values.size())};
  }

  /// Throws OutOfDeviceMemory where there are more than ever before, and the GPU has no room for them.
  void upload(Queue& queue) {
    if (size_ > memory_.size()) {
      queue.wait();  // The last step may still read what is there.
      memory_ = DeviceArray<std::byte>(2 * size_);
    }
    if (size_ > 0) queue.upload(memory_.data(), pinned().span().first(size_));
  }

  template <typename T>
  const T* address(Place<T> place) const {
    return reinterpret_cast<const T*>(memory_.data() + place.offset);
  }

 private:
  void resize(std::size_t size) {
    if (size > pinned().span().size()) {
      PinnedArray<std::byte> larger(2 * size);
      std::ranges::copy(pinned().span().first(size_), larger.span().begin());
      pinned() = std::move(larger);
    }
    size_ = size;
  }

  PinnedArray<std::byte>& pinned() { return pinned_[turn_]; }

  PinnedArray<std::byte> pinned_[2];
  std::size_t turn_ = 0;
  std::size_t size_ = 0;
  DeviceArray<std::byte> memory_;
};

}  // namespace gpuinfer::backend::cuda
