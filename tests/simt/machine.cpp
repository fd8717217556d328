// The GPU that the host twins of runtime/backend/cuda/ptx run on: launches, and what a running thread may ask for.
#include <csignal>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "runtime/backend/cuda/ptx/host_twin.hpp"
#include "simt/accesses.hpp"
#include "simt/block.hpp"
#include "simt/failure.hpp"
#include "simt/races.hpp"
#include "simt/recording.hpp"
#include "simt/schedule.hpp"

namespace gpuinfer::simt {
namespace {

constexpr std::uint64_t kSchedules = 4;
/// As on every GPU.
constexpr unsigned kMaximumThreads = 1024;

/// Races that are there are found in any schedule: looking for them in one is enough.
constexpr std::uint64_t kWatchedSchedule = 1;
bool is_watching = true;

std::uint64_t schedule = kWatchedSchedule;
Block* running_block = nullptr;
bool is_atomic = false;

extern "C" void on_segmentation_fault(int signal, siginfo_t* /*info*/, void* /*context*/) {
  if (running_block == nullptr) {
    std::signal(signal, SIG_DFL);  // Not a kernel's: the instruction runs again, and ends the program.
    return;
  }
  running_block->abandon_thread();
}

/// Turns the segmentation faults of kernels into failures, for as long as it lives.
class CatchFaults {
 public:
  explicit CatchFaults(Block& block) {
    running_block = &block;
    struct sigaction action {};
    action.sa_sigaction = on_segmentation_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;  // The handler of a fault leaves by switching to another stack.
    sigaction(SIGSEGV, &action, &before_);
  }
  ~CatchFaults() {
    running_block = nullptr;
    sigaction(SIGSEGV, &before_, nullptr);
  }
  CatchFaults(const CatchFaults&) = delete;
  CatchFaults& operator=(const CatchFaults&) = delete;

 private:
  struct sigaction before_ {};
};

Block& block() { return *running_block; }

}  // namespace

Launches*& recording() {
  static Launches* launches = nullptr;
  return launches;
}

void set_schedule(std::uint64_t seed) { schedule = seed; }

void under_schedules(const std::function<void()>& test) {
  for (std::uint64_t seed = 1; seed <= kSchedules; ++seed) {
    INFO("schedule " << seed);
    set_schedule(seed);
    test();
  }
  set_schedule(kWatchedSchedule);
}

void launch(const char* kernel, Dimensions grid, unsigned threads, std::size_t dynamic_shared_bytes,
            const std::any& arguments, const std::function<void()>& thread) {
  if (recording() != nullptr) {
    recording()->push_back([=] { launch(kernel, grid, threads, dynamic_shared_bytes, arguments, thread); });
    return;
  }
  if (threads == 0 || threads > kMaximumThreads || threads % kLanes != 0) {
    throw std::invalid_argument("a block has whole warps, at most 32 of them");
  }
  Block block(std::string(kernel) + " under schedule " + std::to_string(schedule), threads, dynamic_shared_bytes,
              is_watching && schedule == kWatchedSchedule, thread);
  Random random(schedule);
  std::vector<unsigned> order(grid.x * grid.y * grid.z);
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::shuffle(order, random);
  Races::all().begin_launch();
  const CatchFaults catch_faults(block);
  for (const unsigned i : order) block.run({i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y}, random);
}

unsigned thread_index() { return block().running(); }
unsigned block_threads() { return block().size(); }
Dimensions block_index() { return block().index(); }

void block_barrier(Place place) {
  block().wait(Block::Thread::State::kAtBarrier, place);
  ++block().thread().block_barriers;
}

void warp_barrier(Place place) {
  exchange({}, place);
  ++block().thread().warp_barriers;
}

void wait_for_previous_launch(Place place) { block().wait_for_previous_launch(place); }

void prefetch(const void* address) {
  const auto contains = [address](const GuardedMemory* memory) { return memory->contains(address); };
  if (std::ranges::none_of(GuardedMemory::all(), contains)) fail("prefetches what lies in no buffer");
}

std::span<const Words, kLanes> exchange(const Words& mine, Place place) {
  auto& words = block().warp().words[++block().thread().exchanges % 2];
  words[block().running() % kLanes] = mine;
  block().wait(Block::Thread::State::kAtExchange, place);
  return words;
}

void* shared_memory(const void* variable, std::size_t bytes) { return block().shared_memory(variable, bytes); }
void* dynamic_shared_memory() { return block().dynamic_shared_memory(); }

// It may arrive at once, or as late as at the wait.
void copy_async(void* to, const void* from) {
  Block::Copy copy{.to = to, .bytes = {}};
  on_access(from, copy.bytes.size(), false);
  on_access(to, copy.bytes.size(), true);
  std::memcpy(copy.bytes.data(), from, copy.bytes.size());
  block().thread().open_group.push_back(copy);
}

void close_copy_group() {
  Block::Thread& thread = block().thread();
  thread.groups.push_back(std::move(thread.open_group));
  thread.open_group.clear();
}

void wait_copy_groups(unsigned pending) {
  Block::Thread& thread = block().thread();
  while (thread.groups.size() > pending) {
    for (const Block::Copy& copy : thread.groups.front()) {
      on_access(copy.to, copy.bytes.size(), true);
      std::memcpy(copy.to, copy.bytes.data(), copy.bytes.size());
    }
    thread.groups.pop_front();
  }
}

Atomic::Atomic() { is_atomic = true; }
Atomic::~Atomic() { is_atomic = false; }

void synchronize_with_blocks() { Races::all().order_behind_other_blocks(); }

void fail(const std::string& what) { block().fail(what); }

void check_access(const void* address, std::size_t bytes, bool is_write) {
  const Block::Thread& thread = block().thread();
  auto race = Races::all().check(address, bytes, is_write,
                                 {.thread = static_cast<std::uint16_t>(block().running()),
                                  .atomic = is_atomic,
                                  .block_barriers = thread.block_barriers,
                                  .warp_barriers = thread.warp_barriers});
  if (race) block().abandon_thread(std::move(*race));
}

bool sees_accesses() { return GPUINFER_SEES_ACCESSES != 0; }

void watch_accesses(bool watch) { is_watching = watch; }

}  // namespace gpuinfer::simt
