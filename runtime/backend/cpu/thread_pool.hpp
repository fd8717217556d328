// Threads that share the work of one step.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace gpuinfer::backend {

/// Runs loops whose iterations are independent. The calling thread takes part, so a pool of n has n-1 threads of its
/// own. A step makes hundreds of short loops in a row: waiting threads spin for a moment before they sleep, and a loop
/// neither wakes nor waits for a thread that has not taken an iteration.
class ThreadPool {
 public:
  /// `threads` is at least 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls body(i) for i in [0, count), each once, in any order and on any thread; returns when all are done. `body`
  /// must not throw. One caller at a time.
  void parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& body);

 private:
  void work();
  bool run_one();

  /// The current loop: its body, and its count (upper half) with the next index to hand out (lower half) in one word,
  /// so that taking an index and learning whether it belongs to the loop is one atomic step.
  std::atomic<const std::function<void(std::int64_t)>*> body_{nullptr};
  std::atomic<std::uint64_t> count_and_next_{0};
  std::atomic<std::int64_t> done_{0};

  std::atomic<int> sleepers_{0};
  std::atomic<std::uint32_t> alarm_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::jthread> workers_;
};

}  // namespace gpuinfer::backend
