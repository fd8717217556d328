// The scheduler of a block's threads.
#include "simt/block.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "simt/accesses.hpp"
#include "simt/failure.hpp"
#include "simt/races.hpp"

namespace gpuinfer::simt {
namespace {

/// One in so many steps a warp other than the favourite runs, and a new favourite is drawn: warps drift far apart, as
/// they do on a GPU, and a missing barrier shows. Powers of two.
constexpr unsigned kStepsForOthers = 8;
constexpr unsigned kStepsOfFavourite = 256;

/// Of `below` numbers the one that the upper half of `bits` falls to.
unsigned choose(std::uint64_t bits, std::size_t below) { return static_cast<unsigned>((bits >> 32) * below >> 32); }

/// Unwinds the stack of the thread that failed.
struct Stopped {
  std::string why;
};

std::string text_of(const Place& place) {
  const std::string file = place.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(place.line());
}

bool same(const Place& a, const Place& b) {
  const bool same_file = a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0;
  return same_file && a.line() == b.line() && a.column() == b.column();
}

}  // namespace

Block::Block(std::string kernel, unsigned threads, std::size_t dynamic_shared_bytes, bool is_watched,
             const std::function<void()>& body)
    : kernel_(std::move(kernel)),
      is_watched_(is_watched),
      body_(body),
      threads_(threads),
      warps_(threads / kLanes),
      dynamic_shared_(dynamic_shared_bytes, true) {}

void Block::run(Dimensions index, Random& random) {
  start(index);
  while (ended_ < size()) {
    while (pick_thread(random)) run_thread();
    release_barrier();
  }
  dynamic_shared_.check_borders();
  for (const auto& [variable, memory] : shared_) memory->check_borders();
}

void Block::start(Dimensions index) {
  index_ = index;
  Races::all().begin_block();
  ended_ = 0;
  dynamic_shared_.poison();
  for (auto& [variable, memory] : shared_) memory->poison();
  for (unsigned i = 0; i < size(); ++i) {
    Thread& thread = threads_[i];
    thread.open_group.clear();
    thread.groups.clear();
    thread.exchanges = 0;
    thread.block_barriers = 0;
    thread.warp_barriers = 0;
    thread.has_waited = false;
    thread.state = Thread::State::kReady;
    thread.fiber.start([this] {
      try {
        body_();
      } catch (const Stopped& stopped) {
        failure_ = stopped.why;
      }
    });
    warps_[i / kLanes].ready.push_back(i);
  }
  // Of the code, which is the same in every block, one is enough.
  if (std::exchange(is_first_, false)) early_.emplace();
}

bool Block::pick_thread(Random& random) {
  const std::uint64_t bits = random();
  if (bits % kStepsOfFavourite == 0) favourite_ = choose(random(), warps_.size());
  const bool is_others_turn = bits / kStepsOfFavourite % kStepsForOthers == 0;
  unsigned chosen = is_others_turn ? choose(random(), warps_.size()) : favourite_;
  for (std::size_t tried = 0; warps_[chosen].ready.empty(); ++tried) {
    if (tried == warps_.size()) return false;
    chosen = (chosen + 1) % static_cast<unsigned>(warps_.size());
  }
  std::vector<unsigned>& ready = warps_[chosen].ready;
  std::swap(ready[choose(bits, ready.size())], ready.back());
  running_ = ready.back();
  ready.pop_back();
  return true;
}

void Block::run_thread() {
  watched_thread = is_watched_ ? &thread().fiber : nullptr;
  thread().fiber.resume();
  watched_thread = nullptr;
  if (failure_) stop(running_, *failure_);
  if (thread().fiber.ended()) {
    thread().state = Thread::State::kEnded;
    ++ended_;
    if (!thread().has_waited) stop(running_, "ends without having waited for the kernel before it");
    if (!thread().open_group.empty() || !thread().groups.empty()) {
      stop(running_, "ends before its asynchronous copies have arrived");
    }
  }
  if (thread().state == Thread::State::kAtExchange && ++warp().at_exchange == kLanes) release_warp(running_ / kLanes);
}

/// All lanes have come to a collective, which ought to be one.
void Block::release_warp(unsigned warp) {
  const std::span<Thread> lanes(&threads_[warp * kLanes], kLanes);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if (!same(lanes[lane].place, lanes[0].place)) {
      stop(warp * kLanes + lane,
           "is at the collective " + text_of(lanes[lane].place) + ", but lane 0 at " + text_of(lanes[0].place));
    }
  }
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    lanes[lane].state = Thread::State::kReady;
    warps_[warp].ready.push_back(warp * kLanes + lane);
  }
  warps_[warp].at_exchange = 0;
}

/// All threads that have not ended wait: they may go on if all of them are at one barrier.
void Block::release_barrier() {
  if (ended_ == size()) return;
  const auto is_waiting = [](const Thread& thread) { return thread.state != Thread::State::kEnded; };
  const auto waiting = std::ranges::find_if(threads_, is_waiting);
  for (unsigned i = 0; i < size(); ++i) {
    if (threads_[i].state == waiting->state && same(threads_[i].place, waiting->place)) continue;
    stop(static_cast<unsigned>(waiting - threads_.begin()),
         "waits for ever at " + text_of(waiting->place) + ": thread " + std::to_string(i) +
             (is_waiting(threads_[i]) ? " is at " + text_of(threads_[i].place) : " has ended"));
  }
  for (unsigned i = 0; i < size(); ++i) {
    threads_[i].state = Thread::State::kReady;
    warps_[i / kLanes].ready.push_back(i);
  }
}

void Block::stop(unsigned thread, const std::string& what) const {
  throw Failure("kernel " + kernel_ + ", block (" + std::to_string(index_.x) + ", " + std::to_string(index_.y) + ", " +
                std::to_string(index_.z) + "), thread " + std::to_string(thread) + " " + what);
}

void Block::wait(Thread::State state, Place place) {
  thread().state = state;
  thread().place = place;
  thread().fiber.suspend();
}

void Block::wait_for_previous_launch(Place place) {
  wait(Thread::State::kAtBarrier, place);
  thread().has_waited = true;
  early_.reset();
}

void* Block::shared_memory(const void* variable, std::size_t bytes) {
  std::unique_ptr<GuardedMemory>& memory = shared_[variable];
  if (!memory) memory = std::make_unique<GuardedMemory>(bytes, true);
  return memory->data();
}

void Block::fail(const std::string& what) { throw Stopped{what}; }

void Block::abandon_thread(std::string what) {
  failure_ = std::move(what);  // What stays on the thread's stack is never freed.
  ForbiddenMemory::allow_all();
  thread().fiber.suspend();
  std::abort();
}

void Block::abandon_thread() {
  abandon_thread(early_ ? "touches memory before it has waited for the kernel before it"
                        : "touches memory outside of its buffers, or writes to an input");
}

}  // namespace gpuinfer::simt
