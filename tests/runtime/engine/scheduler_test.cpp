// Who runs, in what order, and that no page is lost: by example, and over random arrivals.
#include "runtime/engine/scheduler.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <set>

#include "base/error.hpp"
#include "catch.hpp"

namespace gpuinfer::engine {
namespace {

using Groups = std::vector<backend::KvGroup>;
constexpr std::int64_t kPage = backend::kPageTokens;

/// Its tokens are its own, so that it shares nothing.
std::unique_ptr<Sequence> sequence(std::uint64_t id, std::int64_t prompt_tokens) {
  return std::make_unique<Sequence>(
      id, std::vector<TokenId>(static_cast<std::size_t>(prompt_tokens), static_cast<TokenId>(id)));
}

/// What the engine does after a step: sequences whose last token was computed grow by one.
void advance(KvCache& kv, const Step& step) {
  for (const ScheduledSlice& slice : step.slices) {
    const bool grows = slice.reaches_end();
    kv.advance(*slice.sequence, slice.tokens);
    if (grows) slice.sequence->tokens.push_back(1);
  }
}

using Slices = std::vector<std::pair<std::uint64_t, std::int64_t>>;

/// (id, tokens) of each slice.
Slices summary(const Step& step) {
  Slices result;
  for (const ScheduledSlice& slice : step.slices) result.emplace_back(slice.sequence->id, slice.tokens);
  return result;
}

TEST_CASE("limits that cannot work are refused") {
  KvCache kv(Groups{{.pages = 1}});
  CHECK_THROWS_AS(Scheduler(kv, {.max_batch_tokens = 8, .max_running = 9}), Error);
  CHECK_THROWS_AS(Scheduler(kv, {.max_batch_tokens = 8, .max_running = 0}), Error);
}

TEST_CASE("a long prompt is computed in chunks while others generate") {
  KvCache kv(Groups{{.pages = 64}});
  Scheduler scheduler(kv, {.max_batch_tokens = 20, .max_running = 4});
  const auto a = sequence(1, 5);
  const auto b = sequence(2, 40);
  scheduler.add(*a);
  scheduler.add(*b);

  Step step = scheduler.schedule();
  CHECK(summary(step) == Slices{{1, 5}, {2, 15}});
  CHECK(step.slices[0].reaches_end());
  CHECK_FALSE(step.slices[1].reaches_end());
  advance(kv, step);
  step = scheduler.schedule();
  CHECK(summary(step) == Slices{{1, 1}, {2, 19}});
  advance(kv, step);
  step = scheduler.schedule();
  CHECK(summary(step) == Slices{{1, 1}, {2, 6}});
  CHECK(step.slices[1].reaches_end());
  advance(kv, step);
  CHECK(summary(scheduler.schedule()) == Slices{{1, 1}, {2, 1}});
}

TEST_CASE("a sequence's own limit bounds its slices") {
  KvCache kv(Groups{{.pages = 64}});
  Scheduler scheduler(kv, {.max_batch_tokens = 20, .max_running = 4});
  const auto a = sequence(1, 40);
  const auto b = sequence(2, 40);
  a->max_slice_tokens = 8;
  scheduler.add(*a);
  scheduler.add(*b);
  CHECK(summary(scheduler.schedule()) == Slices{{1, 8}, {2, 12}});
}

TEST_CASE("no more sequences run than allowed; the next one moves up when one leaves") {
  KvCache kv(Groups{{.pages = 64}});
  Scheduler scheduler(kv, {.max_batch_tokens = 20, .max_running = 1});
  const auto a = sequence(1, 5);
  const auto b = sequence(2, 5);
  scheduler.add(*a);
  scheduler.add(*b);
  advance(kv, scheduler.schedule());
  CHECK(summary(scheduler.schedule()) == Slices{{1, 1}});
  CHECK(scheduler.waiting() == 1);
  scheduler.remove(*a);
  CHECK(summary(scheduler.schedule()) == Slices{{2, 5}});
  scheduler.remove(*b);
  CHECK(kv.held() == 0);
  CHECK(scheduler.schedule().slices.empty());
}

TEST_CASE("a sequence whose next token is not known yet waits, or goes on with the one that is promised") {
  KvCache kv(Groups{{.pages = 64}});
  Scheduler scheduler(kv, {.max_batch_tokens = 20, .max_running = 2});
  const auto waits = sequence(1, 5);
  const auto goes_on = sequence(2, 5);
  scheduler.add(*waits);
  scheduler.add(*goes_on);
  for (const ScheduledSlice& slice : scheduler.schedule().slices) kv.advance(*slice.sequence, slice.tokens);
  CHECK(scheduler.schedule().slices.empty());
  goes_on->promised = 1;
  const Step step = scheduler.schedule();
  CHECK(summary(step) == Slices{{2, 1}});
  CHECK(step.slices[0].reaches_end());
  kv.advance(*goes_on, 1);
  waits->tokens.push_back(1);
  CHECK(summary(scheduler.schedule()) == Slices{{1, 1}});
}

TEST_CASE("after a failure all are computed again, in their order") {
  KvCache kv(Groups{{.pages = 64}});
  Scheduler scheduler(kv, {.max_batch_tokens = 100, .max_running = 2});
  const auto a = sequence(1, 40);
  const auto b = sequence(2, 20);
  const auto c = sequence(3, 5);
  for (const auto& s : {a.get(), b.get(), c.get()}) scheduler.add(*s);
  advance(kv, scheduler.schedule());
  scheduler.start_over();
  CHECK(kv.held() == 0);
  CHECK(scheduler.waiting() == 3);
  CHECK(summary(scheduler.schedule()) == Slices{{1, 41}, {2, 21}});
  CHECK(a->reused_tokens == 0);
}

TEST_CASE("a lower priority goes first, and is the last to lose its pages") {
  KvCache kv(Groups{{.pages = 4}});
  Scheduler scheduler(kv, {.max_batch_tokens = 100, .max_running = 1});
  const auto a = sequence(1, 5);
  const auto b = sequence(2, 5);
  const auto urgent = sequence(3, 5);
  urgent->priority = -1;
  for (const auto& s : {a.get(), b.get(), urgent.get()}) scheduler.add(*s);
  CHECK(summary(scheduler.schedule()) == Slices{{3, 5}});
  scheduler.remove(*urgent);
  CHECK(summary(scheduler.schedule()) == Slices{{1, 5}});
}

TEST_CASE("a prompt that does not fit yet waits, and those behind it wait too") {
  KvCache kv(Groups{{.pages = 4}});
  Scheduler scheduler(kv, {.max_batch_tokens = 200, .max_running = 4});
  const auto a = sequence(1, 2 * kPage);
  const auto b = sequence(2, 3 * kPage);
  const auto c = sequence(3, 1);
  for (const auto& s : {a.get(), b.get(), c.get()}) scheduler.add(*s);
  CHECK(summary(scheduler.schedule()) == Slices{{1, 2 * kPage}});
  CHECK(scheduler.waiting() == 2);
}

TEST_CASE("when pages run out the youngest gives up its own and is computed again") {
  KvCache kv(Groups{{.pages = 3}});
  Scheduler scheduler(kv, {.max_batch_tokens = 64, .max_running = 4});
  const auto a = sequence(1, kPage);
  const auto b = sequence(2, 1);
  scheduler.add(*a);
  scheduler.add(*b);
  advance(kv, scheduler.schedule());
  REQUIRE(scheduler.running() == 2);

  std::int64_t preempted = 0;
  while (preempted == 0) {
    const Step step = scheduler.schedule();
    preempted = step.preempted;
    advance(kv, step);
  }
  CHECK(scheduler.running() == 1);
  CHECK(scheduler.waiting() == 1);
  CHECK(b->computed == 0);
  CHECK(kv.held() == std::ssize(a->page_tables[0]));

  // What it computed is still remembered, as far as its pages were not needed.
  scheduler.remove(*a);
  const Step step = scheduler.schedule();
  CHECK(summary(step) == Slices{{2, std::ssize(b->tokens) - b->reused_tokens}});
}

TEST_CASE("of several that begin alike the first computes, and the others share its pages one step later") {
  KvCache kv(Groups{{.pages = 64}});
  Scheduler scheduler(kv, {.max_batch_tokens = 200, .max_running = 4});
  std::vector<std::unique_ptr<Sequence>> alike;
  for (std::uint64_t id = 0; id < 3; ++id) {
    alike.push_back(std::make_unique<Sequence>(id, std::vector<TokenId>(40, 7)));
    scheduler.add(*alike.back());
  }
  const auto other = sequence(3, 40);
  scheduler.add(*other);
  Step step = scheduler.schedule();
  CHECK(summary(step) == Slices{{0, 40}, {3, 40}});
  advance(kv, step);
  step = scheduler.schedule();
  CHECK(summary(step) == Slices{{0, 1}, {1, 8}, {2, 8}, {3, 1}});
  CHECK(alike[1]->page_tables[0][0] == alike[0]->page_tables[0][0]);
  CHECK(kv.held() == 2 + 3 + 3);
  advance(kv, step);

  // They do not wait for one that is gone.
  for (const auto& s : alike) scheduler.remove(*s);
  scheduler.remove(*other);
  CHECK(kv.held() == 0);
}

/// Drives a scheduler as the engine does, and checks after every step what must always hold.
class Simulation {
 public:
  explicit Simulation(std::uint64_t seed)
      : random_(seed),
        priorities_(number(0, 1) == 1),
        limits_{.max_batch_tokens = number(8, 100), .max_running = number(1, 8)},
        kv_(random_groups(), number(0, 3) > 0),
        longest_(longest()),
        scheduler_(kv_, limits_) {
    for (const backend::KvGroup& group : kv_.groups()) {
      contents_.emplace_back(static_cast<std::size_t>(group.pages * kPage));
    }
  }

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
    CHECK(kv_.held() == 0);
    CHECK(scheduler_.running() == 0);
    CHECK(scheduler_.waiting() == 0);
  }

 private:
  struct Live {
    std::unique_ptr<Sequence> sequence;
    std::int64_t wanted_length;
    std::string salt;
  };

  std::int64_t number(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }

  /// Layers that see everything, layers with a window, or both.
  std::vector<backend::KvGroup> random_groups() {
    const std::int64_t kind = number(0, 2);
    std::vector<backend::KvGroup> groups;
    if (kind != 1) groups.push_back({.pages = number(4, 40)});
    if (kind != 0) {
      const std::int64_t window = number(1, 50);
      const std::int64_t least = pages_for(window + limits_.max_batch_tokens) + 1;
      groups.push_back({.sliding_window = window, .pages = number(least, least + 30)});
    }
    return groups;
  }

  std::int64_t longest() const {
    std::int64_t tokens = 600;
    while (!kv_.can_hold(tokens, limits_.max_batch_tokens)) --tokens;
    return tokens;
  }

  /// Often with the beginning of another one.
  std::vector<TokenId> random_prompt(std::int64_t length) {
    const std::int64_t shared = number(0, length);
    std::vector<TokenId> tokens(static_cast<std::size_t>(length), static_cast<TokenId>(number(0, 1)));
    for (std::int64_t i = shared; i < length; ++i)
      tokens[static_cast<std::size_t>(i)] = static_cast<TokenId>(number(0, 99));
    return tokens;
  }

  void arrive(std::uint64_t id) {
    const std::int64_t prompt = number(1, longest_ - 1);
    const std::string salt = number(0, 3) == 0 ? "salt" : "";
    live_[id] = {std::make_unique<Sequence>(id, random_prompt(prompt), salt),
                 number(prompt + 1, std::min(longest_, prompt + 60)), salt};
    if (priorities_) live_[id].sequence->priority = number(-1, 1);
    live_[id].sequence->reuse_prefix = number(0, 5) > 0;
    scheduler_.add(*live_[id].sequence);
  }

  void leave(std::uint64_t id) {
    scheduler_.remove(*live_.at(id).sequence);
    live_.erase(id);
  }

  void step() {
    const Step step = scheduler_.schedule();
    check(step);
    write(step);
    for (const ScheduledSlice& slice : step.slices) check_contents(slice);
    advance(kv_, step);
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
    for (const ScheduledSlice& slice : step.slices) {
      tokens += slice.tokens;
      REQUIRE(slice.tokens >= 1);
      REQUIRE(slice.tokens <= slice.sequence->remaining());
      for (const auto& table : slice.sequence->page_tables) {
        REQUIRE(std::ssize(table) * kPage >= slice.sequence->computed + slice.tokens);
      }
      REQUIRE(std::ranges::count(step.slices, slice.sequence, &ScheduledSlice::sequence) == 1);
    }
    REQUIRE(tokens <= limits_.max_batch_tokens);
    // The oldest of all is always in the step: nobody starves.
    if (!live_.empty() && !priorities_) REQUIRE(summary_has(step, live_.begin()->first));
    check_pages();
  }

  /// No page is lost: those that sequences have are those that the cache counts.
  void check_pages() {
    std::int64_t held = 0;
    for (std::size_t g = 0; g < kv_.groups().size(); ++g) {
      std::set<std::int32_t> pages;
      for (const auto& [id, live] : live_) {
        if (live.sequence->page_tables.empty()) continue;
        for (const std::int32_t page : live.sequence->page_tables[g]) {
          if (page != backend::kNoPage) pages.insert(page);
        }
      }
      held += std::ssize(pages);
    }
    REQUIRE(held == kv_.held());
  }

  /// For each of the first `end` tokens everything up to it, as one number.
  std::vector<std::uint64_t> prefix_hashes(const Sequence& sequence, std::int64_t end) const {
    std::uint64_t hash = live_.at(sequence.id).salt.size();
    std::vector<std::uint64_t> hashes;
    for (const TokenId token : std::span(sequence.tokens).first(static_cast<std::size_t>(end))) {
      hashes.push_back(hash = (hash ^ static_cast<std::uint64_t>(token + 1)) * 1099511628211U);
    }
    return hashes;
  }

  std::uint64_t& content(const Sequence& sequence, std::size_t group, std::int64_t position) {
    const std::int32_t page = sequence.page_tables[group][static_cast<std::size_t>(position / kPage)];
    return contents_[group].at(static_cast<std::size_t>(page * kPage + position % kPage));
  }

  void write(const Step& step) {
    for (const auto& [sequence, tokens] : step.slices) {
      const std::vector<std::uint64_t> hashes = prefix_hashes(*sequence, sequence->computed + tokens);
      for (std::size_t g = 0; g < kv_.groups().size(); ++g) {
        for (std::int64_t p = sequence->computed; p < std::ssize(hashes); ++p) {
          content(*sequence, g, p) = hashes[static_cast<std::size_t>(p)];
        }
      }
    }
  }

  /// All that the slice's tokens see is what the sequence itself would have written: no page is shared wrongly.
  void check_contents(const ScheduledSlice& slice) {
    const Sequence& sequence = *slice.sequence;
    const std::vector<std::uint64_t> hashes = prefix_hashes(sequence, sequence.computed + slice.tokens);
    for (std::size_t g = 0; g < kv_.groups().size(); ++g) {
      const std::int64_t window = kv_.groups()[g].sliding_window.value_or(std::ssize(hashes));
      for (std::int64_t p = std::max<std::int64_t>(0, sequence.computed + 1 - window); p < std::ssize(hashes); ++p) {
        if (content(sequence, g, p) != hashes[static_cast<std::size_t>(p)])
          FAIL("a page holds another sequence's tokens");
      }
    }
  }

  static bool summary_has(const Step& step, std::uint64_t id) {
    return std::ranges::any_of(step.slices, [id](const ScheduledSlice& slice) { return slice.sequence->id == id; });
  }

  std::mt19937_64 random_;
  bool priorities_;
  SchedulerLimits limits_;
  KvCache kv_;
  std::int64_t longest_;
  Scheduler scheduler_;
  std::map<std::uint64_t, Live> live_;
  std::vector<std::vector<std::uint64_t>> contents_;  ///< of each group: [pages, kPageTokens]
};

TEST_CASE("random arrivals, lengths, priorities and cancellations: invariants hold and everybody finishes") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    Simulation(seed).run();
  }
}

}  // namespace
}  // namespace gpuinfer::engine
