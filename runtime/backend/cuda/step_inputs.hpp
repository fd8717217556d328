// What the kernels of a step read besides weights: brought to the GPU in one copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "runtime/backend/cuda/device.hpp"

namespace gpuinfer::backend::cuda {

/// Arrays are collected, then uploaded together; addresses are known after that.
class StepInputs {
 public:
  /// Where an array will be.
  template <typename T>
  struct Place {
    std::size_t offset = 0;
    std::int64_t count = 0;
  };

  /// Forgets the arrays of the last step. Its queue has been waited for.
  void clear() { bytes_.clear(); }

  template <typename T>
  Place<T> add(std::span<const T> values) {
    constexpr std::size_t kAlignment = 16;
    const std::size_t offset = (bytes_.size() + kAlignment - 1) / kAlignment * kAlignment;
    bytes_.resize(offset + values.size_bytes());
    if (!values.empty()) std::memcpy(bytes_.data() + offset, values.data(), values.size_bytes());
    return {offset, static_cast<std::int64_t>(values.size())};
  }

  /// Throws OutOfDeviceMemory where there are more than ever before, and the GPU has no room for them.
  void upload(Queue& queue) {
    if (bytes_.size() > memory_.size()) memory_ = DeviceArray<std::byte>(2 * bytes_.size());
    if (!bytes_.empty()) queue.upload(memory_.data(), bytes_);
  }

  template <typename T>
  const T* address(Place<T> place) const {
    return reinterpret_cast<const T*>(memory_.data() + place.offset);
  }

 private:
  std::vector<std::byte> bytes_;
  DeviceArray<std::byte> memory_;
};

}  // namespace gpuinfer::backend::cuda
