// One block of a launch: its threads as fibers, its shared memory, and the random order in which the threads run.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/backend/cuda/ptx/host_twin.hpp"
#include "simt/fiber.hpp"
#include "simt/guarded_memory.hpp"
#include "simt/random.hpp"

namespace gpuinfer::simt {

class Block {
 public:
  /// A thread's copies from global to shared memory: each arrives when its group is waited for, not before.
  struct Copy {
    void* to;
    std::array<std::byte, 16> bytes;
  };

  struct Thread {
    enum class State { kReady, kAtExchange, kAtBarrier, kEnded };

    Fiber fiber;
    State state = State::kReady;
    Place place;  ///< Of the exchange or the barrier.
    /// Exchanges that it has taken part in: odd and even ones have words of their own, so that a lane which is already
    /// at the next one does not overwrite what another has yet to read.
    unsigned exchanges = 0;
    unsigned block_barriers = 0;  ///< That it has passed.
    unsigned warp_barriers = 0;
    bool has_waited = false;  ///< For the launch before this one.
    std::vector<Copy> open_group;
    std::deque<std::vector<Copy>> groups;
  };

  struct Warp {
    std::array<std::array<Words, kLanes>, 2> words;
    std::vector<unsigned> ready;  ///< Threads that can go on.
    unsigned at_exchange = 0;     ///< How many lanes wait for the others.
  };

  /// Its threads are watched for races, or they are not.
  Block(std::string kernel, unsigned threads, std::size_t dynamic_shared_bytes, bool is_watched,
        const std::function<void()>& body);

  /// Runs all threads of the block at `index` to their end, in an order that `random` draws. Throws Failure.
  void run(Dimensions index, Random& random);

  // For the thread that runs.
  /// Goes on when run() finds that everyone it waits for has come; the thread is at `place` until then.
  void wait(Thread::State state, Place place);
  void wait_for_previous_launch(Place place);
  unsigned running() const { return running_; }
  Thread& thread() { return threads_[running_]; }
  Warp& warp() { return warps_[running_ / kLanes]; }
  Dimensions index() const { return index_; }
  unsigned size() const { return static_cast<unsigned>(threads_.size()); }
  void* shared_memory(const void* variable, std::size_t bytes);
  void* dynamic_shared_memory() { return dynamic_shared_.data(); }
  /// Ends the running thread; run() throws.
  [[noreturn]] void fail(const std::string& what);
  /// The same where nothing can be thrown: the thread's stack is left as it is.
  [[noreturn]] void abandon_thread(std::string what);
  /// For what the thread must not touch, from a signal handler.
  [[noreturn]] void abandon_thread();

 private:
  void start(Dimensions index);
  bool pick_thread(Random& random);
  void run_thread();
  void release_warp(unsigned warp);
  void release_barrier();
  [[noreturn]] void stop(unsigned thread, const std::string& what) const;

  std::string kernel_;
  bool is_watched_;
  std::function<void()> body_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::map<const void*, std::unique_ptr<GuardedMemory>> shared_;
  GuardedMemory dynamic_shared_;
  /// Until the threads of a launch's first block have waited for the launch before.
  std::optional<ForbiddenMemory> early_;
  bool is_first_ = true;

  Dimensions index_;
  unsigned running_ = 0;
  unsigned ended_ = 0;  ///< How many threads have.
  /// The warp that runs ahead of the others for a while.
  unsigned favourite_ = 0;
  std::optional<std::string> failure_;
};

}  // namespace gpuinfer::simt
