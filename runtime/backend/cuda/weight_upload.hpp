// Bringing a model's weights to the GPU: all arrays in one allocation, read and converted on the host's threads while
// what is done is under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/backend/cpu/thread_pool.hpp"
#include "runtime/backend/cuda/device.hpp"

namespace gpuinfer::backend::cuda {

/// First every array is announced, so that bytes() is known before any is read; then upload() brings them.
class WeightUpload {
 public:
  /// `place` will point to `rows` rows of `columns` elements on the GPU; fill(row, out) writes one of them, in any
  /// order and on any thread. `place` is kept until upload().
  template <typename T>
  void add(const T*& place, std::int64_t rows, std::int64_t columns,
           std::function<void(std::int64_t row, std::span<T> out)> fill) {
    const auto row_bytes = static_cast<std::size_t>(columns) * sizeof(T);
    arrays_.push_back({.rows = rows,
                       .row_bytes = row_bytes,
                       .offset = bytes_,
                       .fill =
                           [fill = std::move(fill), columns](std::int64_t row, std::byte* out) {
                             fill(row, {reinterpret_cast<T*>(out), static_cast<std::size_t>(columns)});
                           },
                       .place = [&place](const std::byte* address) { place = reinterpret_cast<const T*>(address); }});
    bytes_ += (static_cast<std::size_t>(rows) * row_bytes + kAlignment - 1) / kAlignment * kAlignment;
  }

  std::size_t bytes() const { return bytes_; }

  /// The memory that the places point into. Throws OutOfDeviceMemory, and what a fill throws.
  DeviceArray<std::byte> upload(ThreadPool& pool, Queue& queue) const;

 private:
  static constexpr std::size_t kAlignment = 256;

  struct Array {
    std::int64_t rows;
    std::size_t row_bytes;
    std::size_t offset;
    std::function<void(std::int64_t, std::byte*)> fill;
    std::function<void(const std::byte*)> place;
  };

  std::vector<Array> arrays_;
  std::size_t bytes_ = 0;
};

}  // namespace gpuinfer::backend::cuda
