// A value that one thread replaces while others use it.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace gpuinfer::webhook {

/// Readers keep the value that they got for as long as they hold it; a new one counts from the next get() on.
template <typename T>
class Current {
 public:
  explicit Current(T value) : value_(std::make_shared<const T>(std::move(value))) {}

  std::shared_ptr<const T> get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

  void set(T value) {
    auto replacement = std::make_shared<const T>(std::move(value));
    const std::lock_guard lock(mutex_);
    value_.swap(replacement);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

}  // namespace gpuinfer::webhook
