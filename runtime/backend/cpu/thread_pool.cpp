// Handing out loop indices without locks.
#include "runtime/backend/cpu/thread_pool.hpp"

#include <chrono>

namespace gpuinfer::backend {
namespace {

/// Longer than the pauses between the loops of a step, short enough that an idle server uses no CPU.
constexpr auto kSpin = std::chrono::microseconds(100);
constexpr int kSpinsBetweenClockReads = 64;

/// Tells a core that the thread only waits.
void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Spins until `ready()`; false where that took longer than kSpin.
template <typename Ready>
bool spin_until(Ready ready) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < kSpinsBetweenClockReads; ++i) {
      if (ready()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  ++alarm_;
  alarm_.notify_all();
}

void ThreadPool::parallel_for(std::int64_t count, const std::function<void(std::int64_t)>& body) {
  if (count <= 1 || workers_.empty()) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  body_ = &body;
  done_ = 0;
  count_and_next_ = static_cast<std::uint64_t>(count) << 32;
  if (sleepers_ > 0) {
    ++alarm_;
    alarm_.notify_all();
  }
  while (run_one()) {
  }
  // What is left runs on other threads; one of them may have lost its core to another process.
  while (!spin_until([&] { return done_ == count; })) std::this_thread::yield();
}

bool ThreadPool::run_one() {
  std::uint64_t seen = count_and_next_;
  if ((seen & 0xFFFFFFFF) >= seen >> 32) return false;
  seen = count_and_next_++;
  const std::uint64_t index = seen & 0xFFFFFFFF;
  if (index >= seen >> 32) return false;
  // The loop cannot end before this index is done, so the body is still there.
  (*body_)(static_cast<std::int64_t>(index));
  ++done_;
  return true;
}

void ThreadPool::work() {
  while (!stopping_) {
    if (spin_until([&] { return run_one() || stopping_; })) continue;
    const std::uint32_t before = alarm_;
    ++sleepers_;
    // A loop that started before sleepers_ rose did not ring the alarm; one that starts later does.
    if (!run_one() && !stopping_) alarm_.wait(before);
    --sleepers_;
  }
}

}  // namespace gpuinfer::backend
