// Errors in loops whose iterations must not throw.
#pragma once

#include <exception>
#include <mutex>

namespace gpuinfer::backend {

/// Tasks of a thread pool must not throw; what one of them would have thrown is thrown when all are done.
class FirstError {
 public:
  /// Calls task() and keeps what it throws, unless another was first. On any thread.
  template <typename Task>
  void catch_in(const Task& task) {
    try {
      task();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (error_ == nullptr) error_ = std::current_exception();
    }
  }

  /// Throws what was kept; when all tasks are done.
  void rethrow() const {
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace gpuinfer::backend
