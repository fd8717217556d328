// The GPUs as the host sees them: what they are, their memory, and the queues of their work. device.cpp implements it
// with CUDA's runtime, tests/simt/device.cpp for the GPUs that the tests play.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "runtime/backend/cuda/stream.hpp"

namespace gpuinfer::backend::cuda {

/// There is no GPU that can be used: what() says why.
class NoDevice : public Error {
 public:
  using Error::Error;
};

/// The GPU's memory does not suffice.
class OutOfDeviceMemory : public Error {
 public:
  using Error::Error;
};

struct Device {
  std::string name;            ///< "NVIDIA L4"
  int compute_capability = 0;  ///< 89 for 8.9
  std::int64_t multiprocessors = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t free_bytes = 0;
  int driver_version = 0;   ///< the newest CUDA that the driver knows: 13000 for 13.0
  int runtime_version = 0;  ///< the CUDA that this program was built with
};

/// GPUs that this process sees: numbers 0, 1 ... Throws NoDevice where there is none, no driver, or one that is older
/// than this program's CUDA.
int count_devices();

/// GPU `index`, which is the thread's current one from now on; the first call sets it up, which takes some tenths of a
/// second. Throws NoDevice, also where the GPU is older than compute capability 8.0.
Device open_device(int index = 0);

/// Makes GPU `index` the thread's current one: memory that the thread allocates, queues that it makes and kernels that
/// it launches are this GPU's. What is done with an existing queue does not depend on it. Throws Error where the GPU
/// fails.
void use_device(int index);

/// Of the current GPU. Aligned to 256 bytes. Throws OutOfDeviceMemory.
void* allocate_device_memory(std::size_t bytes);
void free_device_memory(void* memory) noexcept;

/// Memory of the host that the GPU can read while the host goes on. Throws Error where the host has not that much.
void* allocate_pinned_memory(std::size_t bytes);
void free_pinned_memory(void* memory) noexcept;

/// Launches of kernels with their arguments, to be done as often as one likes; null: none. The memory that they read
/// and write is not the graph's.
struct RecordedLaunches;
using Graph = std::shared_ptr<const RecordedLaunches>;

/// A place in a queue's work.
struct MarkedPlace;
using Mark = std::shared_ptr<const MarkedPlace>;

/// Work that a GPU does in the order in which it was given.
class Queue {
 public:
  /// Of the current GPU. Throws Error where it refuses.
  Queue();
  ~Queue();
  Queue(Queue&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  Queue& operator=(Queue&&) = delete;

  Stream stream() const { return stream_; }

  /// The source must stay as it is until the queue, or a mark behind this, has been waited for.
  void upload(void* to, std::span<const std::byte> from);
  /// `to` is written when the queue, or a mark behind this, has been waited for.
  void download(std::span<std::byte> to, const void* from);
  /// From the GPU's memory to the GPU's memory.
  void copy(void* to, const void* from, std::size_t bytes);

  /// What `work` launches into this queue, which is not done now. `work` launches kernels whose code is loaded and does
  /// nothing else with the GPU. Throws Error where the GPU cannot record, and what `work` throws.
  Graph record(const std::function<void()>& work);
  void launch(const Graph& graph);

  /// The place behind all work that was given so far.
  Mark mark();
  /// Returns when the work before the mark, which is this queue's, is done. Throws as wait().
  void wait_for(const Mark& mark);

  /// Whether all work is done. Throws as wait().
  bool is_done();

  /// Returns when all work is done. Throws Error where a kernel or a copy failed; then every later call does too, and
  /// only a new process can use the GPU again.
  void wait();

 private:
  Stream stream_ = nullptr;
};

/// Elements on the GPU; uninitialised.
template <typename T>
class DeviceArray {
 public:
  DeviceArray() = default;
  explicit DeviceArray(std::size_t size)
      : data_(size == 0 ? nullptr : static_cast<T*>(allocate_device_memory(size * sizeof(T)))), size_(size) {}
  ~DeviceArray() { free_device_memory(data_); }
  DeviceArray(DeviceArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Elements in pinned memory of the host; uninitialised.
template <typename T>
class PinnedArray {
 public:
  PinnedArray() = default;
  explicit PinnedArray(std::size_t size)
      : values_(static_cast<T*>(size == 0 ? nullptr : allocate_pinned_memory(size * sizeof(T))), size) {}
  ~PinnedArray() { free_pinned_memory(values_.data()); }
  PinnedArray(PinnedArray&& other) noexcept : values_(std::exchange(other.values_, {})) {}
  PinnedArray& operator=(PinnedArray&& other) noexcept {
    std::swap(values_, other.values_);
    return *this;
  }

  std::span<T> span() const { return values_; }

 private:
  std::span<T> values_;
};

}  // namespace gpuinfer::backend::cuda
