// Who runs, in what order, and that no page is lost: by example, and over random arrivals.
#include "runtime/engine/scheduler.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <random>

#include "base/error.hpp"
#include "catch.hpp"

namespace gpuinfer::engine {
namespace {

constexpr std::int64_t kPage = backend::kPageTokens;

std::unique_ptr<Sequence> sequence(std::uint64_t id, std::int64_t prompt_tokens, PagePool& pool) {
  return std::make_unique<Sequence>(id, std::vector<TokenId>(static_cast<std::size_t>(prompt_tokens), 1), pool);
}

/// What the engine does after a step: sequences whose last token was computed grow by one.
void advance(const Step& step) {
  for (const ScheduledSlice& slice : step.slices) {
    const bool grows = slice.reaches_end();
    slice.sequence->computed += slice.tokens;
    if (grows) slice.sequence->tokens.push_back(1);
  }
}

/// (id, tokens) of each slice.
std::vector<std::pair<std::uint64_t, std::int64_t>> summary(const Step& step) {
  std::vector<std::pair<std::uint64_t, std::int64_t>> result;
  for (const ScheduledSlice& slice : step.slices) result.emplace_back(slice.sequence->id, slice.tokens);
  return result;
}

using Slices = std::vector<std::pair<std::uint64_t, std::int64_t>>;

TEST_CASE("limits that cannot work are refused") {
  PagePool pool(1);
  CHECK_THROWS_AS(Scheduler(pool, {.max_batch_tokens = 8, .max_running = 9}), Error);
  CHECK_THROWS_AS(Scheduler(pool, {.max_batch_tokens = 8, .max_running = 0}), Error);
}

TEST_CASE("a long prompt is computed in chunks while others generate") {
  PagePool pool(64);
  Scheduler scheduler(pool, {.max_batch_tokens = 20, .max_running = 4});
  const auto a = sequence(1, 5, pool);
  const auto b = sequence(2, 40, pool);
  scheduler.add(*a);
  scheduler.add(*b);

  Step step = scheduler.schedule();
  CHECK(summary(step) == Slices{{1, 5}, {2, 15}});
  CHECK(step.slices[0].reaches_end());
  CHECK_FALSE(step.slices[1].reaches_end());
  advance(step);
  step = scheduler.schedule();
  CHECK(summary(step) == Slices{{1, 1}, {2, 19}});
  advance(step);
  step = scheduler.schedule();
  CHECK(summary(step) == Slices{{1, 1}, {2, 6}});
  CHECK(step.slices[1].reaches_end());
  advance(step);
  CHECK(summary(scheduler.schedule()) == Slices{{1, 1}, {2, 1}});
}

TEST_CASE("no more sequences run than allowed; the next one moves up when one leaves") {
  PagePool pool(64);
  Scheduler scheduler(pool, {.max_batch_tokens = 20, .max_running = 1});
  const auto a = sequence(1, 5, pool);
  const auto b = sequence(2, 5, pool);
  scheduler.add(*a);
  scheduler.add(*b);
  advance(scheduler.schedule());
  CHECK(summary(scheduler.schedule()) == Slices{{1, 1}});
  CHECK(scheduler.waiting() == 1);
  scheduler.remove(*a);
  CHECK(summary(scheduler.schedule()) == Slices{{2, 5}});
  scheduler.remove(*b);
  CHECK(pool.free() == pool.size());
  CHECK(scheduler.schedule().slices.empty());
}

TEST_CASE("a prompt that does not fit yet waits, and those behind it wait too") {
  PagePool pool(4);
  Scheduler scheduler(pool, {.max_batch_tokens = 200, .max_running = 4});
  const auto a = sequence(1, 2 * kPage, pool);
  const auto b = sequence(2, 3 * kPage, pool);
  const auto c = sequence(3, 1, pool);
  for (const auto& s : {a.get(), b.get(), c.get()}) scheduler.add(*s);
  CHECK(summary(scheduler.schedule()) == Slices{{1, 2 * kPage}});
  CHECK(scheduler.waiting() == 2);
}

TEST_CASE("when pages run out the youngest gives up its own and is computed again") {
  PagePool pool(3);
  Scheduler scheduler(pool, {.max_batch_tokens = 64, .max_running = 4});
  const auto a = sequence(1, kPage, pool);
  const auto b = sequence(2, 1, pool);
  scheduler.add(*a);
  scheduler.add(*b);
  advance(scheduler.schedule());
  REQUIRE(scheduler.running() == 2);

  std::int64_t preempted = 0;
  while (preempted == 0) {
    const Step step = scheduler.schedule();
    preempted = step.preempted;
    advance(step);
  }
  CHECK(scheduler.running() == 1);
  CHECK(scheduler.waiting() == 1);
  CHECK(b->computed == 0);
  CHECK(b->page_table.pages().empty());
  CHECK(a->page_table.pages().size() == 2);

  scheduler.remove(*a);
  const Step step = scheduler.schedule();
  CHECK(summary(step) == Slices{{2, std::ssize(b->tokens)}});
}

/// Drives a scheduler as the engine does, and checks after every step what must always hold.
class Simulation {
 public:
  explicit Simulation(std::uint64_t seed)
      : random_(seed),
        pool_(number(4, 40)),
        limits_{.max_batch_tokens = number(8, 100), .max_running = number(1, 8)},
        scheduler_(pool_, limits_) {}

  void run() {
    const std::int64_t arrivals = number(5, 40);
    std::int64_t arrived = 0;
    for (std::int64_t steps = 0; arrived < arrivals || !live_.empty(); ++steps) {
      REQUIRE(steps < 20000);
      if (arrived < arrivals && number(0, 2) == 0) {
        arrive(static_cast<std::uint64_t>(arrived));
        ++arrived;
      }
      if (!live_.empty() && number(0, 30) == 0)
        leave(std::next(live_.begin(), number(0, std::ssize(live_) - 1))->first);
      step();
    }
    CHECK(pool_.free() == pool_.size());
    CHECK(scheduler_.running() == 0);
    CHECK(scheduler_.waiting() == 0);
  }

 private:
  struct Live {
    std::unique_ptr<Sequence> sequence;
    std::int64_t wanted_length;
  };

  std::int64_t number(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }

  void arrive(std::uint64_t id) {
    const std::int64_t capacity = pool_.size() * kPage;
    const std::int64_t prompt = number(1, capacity - 1);
    live_[id] = {sequence(id, prompt, pool_), number(prompt + 1, std::min(capacity, prompt + 60))};
    scheduler_.add(*live_[id].sequence);
  }

  void leave(std::uint64_t id) {
    scheduler_.remove(*live_.at(id).sequence);
    live_.erase(id);
  }

  void step() {
    const Step step = scheduler_.schedule();
    check(step);
    advance(step);
    std::vector<std::uint64_t> finished;
    for (const auto& [id, live] : live_) {
      if (std::ssize(live.sequence->tokens) >= live.wanted_length) finished.push_back(id);
    }
    for (const std::uint64_t id : finished) leave(id);
  }

  void check(const Step& step) {
    REQUIRE(step.slices.empty() == live_.empty());
    REQUIRE(scheduler_.running() <= limits_.max_running);
    REQUIRE(scheduler_.running() + scheduler_.waiting() == std::ssize(live_));
    std::int64_t tokens = 0;
    std::int64_t pages = 0;
    for (const ScheduledSlice& slice : step.slices) {
      tokens += slice.tokens;
      REQUIRE(slice.tokens >= 1);
      REQUIRE(slice.tokens <= slice.sequence->remaining());
      REQUIRE(std::ssize(slice.sequence->page_table.pages()) * kPage >= slice.sequence->computed + slice.tokens);
      REQUIRE(std::ranges::count(step.slices, slice.sequence, &ScheduledSlice::sequence) == 1);
    }
    for (const auto& [id, live] : live_) pages += std::ssize(live.sequence->page_table.pages());
    REQUIRE(tokens <= limits_.max_batch_tokens);
    REQUIRE(pages + pool_.free() == pool_.size());
    // The oldest of all is always in the step: nobody starves.
    if (!live_.empty()) REQUIRE(summary_has(step, live_.begin()->first));
  }

  static bool summary_has(const Step& step, std::uint64_t id) {
    return std::ranges::any_of(step.slices, [id](const ScheduledSlice& slice) { return slice.sequence->id == id; });
  }

  std::mt19937_64 random_;
  PagePool pool_;
  SchedulerLimits limits_;
  Scheduler scheduler_;
  std::map<std::uint64_t, Live> live_;
};

TEST_CASE("random arrivals, lengths and cancellations: invariants hold and everybody finishes") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    Simulation(seed).run();
  }
}

}  // namespace
}  // namespace gpuinfer::engine
