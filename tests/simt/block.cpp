// The scheduler of a block's threads.
#include "simt/block.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "simt/accesses.hpp"
#include "simt/failure.hpp"
#include "simt/races.hpp"

namespace gpuinfer::simt {
namespace {

/// One in so many steps a warp other than the favourite runs, and a new favourite is drawn: warps drift far apart, as
/// they do on a GPU, and a missing barrier shows.
constexpr unsigned kStepsForOthers = 8;
constexpr unsigned kStepsOfFavourite = 256;

/// Unwinds the stack of the thread that failed.
struct Stopped {
  std::string why;
};

std::string text_of(const Place& place) {
  const std::string file = place.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(place.line());
}

bool same(const Place& a, const Place& b) {
  return a.line() == b.line() && a.column() == b.column() && std::string_view(a.file_name()) == b.file_name();
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

void Block::run(Dimensions index, std::mt19937_64& random) {
  start(index);
  while (!all_in(Thread::State::kEnded)) {
    while (pick_thread(random)) run_thread();
    release_barrier();
  }
  dynamic_shared_.check_borders();
  for (const auto& [variable, memory] : shared_) memory->check_borders();
}

void Block::start(Dimensions index) {
  index_ = index;
  Races::all().begin_block();
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

bool Block::pick_thread(std::mt19937_64& random) {
  const auto draw = [&](std::size_t below) { return static_cast<unsigned>(random() % below); };
  if (draw(kStepsOfFavourite) == 0) favourite_ = draw(warps_.size());
  unsigned chosen = draw(kStepsForOthers) == 0 ? draw(warps_.size()) : favourite_;
  for (std::size_t tried = 0; warps_[chosen].ready.empty(); ++tried) {
    if (tried == warps_.size()) return false;
    chosen = (chosen + 1) % static_cast<unsigned>(warps_.size());
  }
  std::vector<unsigned>& ready = warps_[chosen].ready;
  std::swap(ready[draw(ready.size())], ready.back());
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
    if (!thread().has_waited) stop(running_, "ends without having waited for the kernel before it");
    if (!thread().open_group.empty() || !thread().groups.empty()) {
      stop(running_, "ends before its asynchronous copies have arrived");
    }
  }
  if (thread().state == Thread::State::kAtExchange) release_warp(running_ / kLanes);
}

void Block::release_warp(unsigned warp) {
  const std::span<Thread> lanes(&threads_[warp * kLanes], kLanes);
  if (!std::ranges::all_of(lanes, [](const Thread& lane) { return lane.state == Thread::State::kAtExchange; })) return;
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
}

/// All threads that have not ended wait: they may go on if all of them are at one barrier.
void Block::release_barrier() {
  if (all_in(Thread::State::kEnded)) return;
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

bool Block::all_in(Thread::State state) const {
  return std::ranges::all_of(threads_, [&](const Thread& thread) { return thread.state == state; });
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

void Block::abandon_thread(const std::string& what) {
  failure_ = what;
  thread().fiber.suspend();
  std::abort();
}

void Block::abandon_thread() {
  abandon_thread(early_ ? "touches memory before it has waited for the kernel before it"
                        : "touches memory outside of its buffers, or writes to an input");
}

}  // namespace gpuinfer::simt
