// Arrays in the memory of the GPU that tests/simt plays.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "simt/guarded_memory.hpp"

namespace gpuinfer::simt {

/// What a kernel reads: a write is caught.
template <typename T>
class Input {
 public:
  explicit Input(const std::vector<T>& values) : memory_(values.size() * sizeof(T)) {
    std::copy(values.begin(), values.end(), reinterpret_cast<T*>(memory_.data()));
    memory_.make_read_only();
  }

  const T* data() const { return reinterpret_cast<const T*>(memory_.data()); }

 private:
  GuardedMemory memory_;
};

/// What a kernel writes.
template <typename T>
class Output {
 public:
  /// Poisoned: what the kernel leaves out is NaN or -1 afterwards.
  explicit Output(std::size_t count) : memory_(count * sizeof(T)), count_(count) {}
  /// For a kernel that also reads it.
  explicit Output(const std::vector<T>& values) : Output(values.size()) {
    std::copy(values.begin(), values.end(), data());
  }

  T* data() { return reinterpret_cast<T*>(memory_.data()); }

  /// Throws Failure where a kernel wrote beside it.
  std::vector<T> values() {
    memory_.check_borders();
    return std::vector<T>(data(), data() + count_);
  }

 private:
  GuardedMemory memory_;
  std::size_t count_;
};

}  // namespace gpuinfer::simt
