// The step loop over a toy model: the same tokens alone and under load, and what clients may do to it.
#include "runtime/engine/engine.hpp"

#include <algorithm>
#include <atomic>
#include <latch>
#include <limits>
#include <random>
#include <semaphore>

#include "catch.hpp"
#include "runtime/engine/toy_backend.hpp"

namespace gpuinfer::engine {
namespace {

using namespace std::chrono_literals;
constexpr Clock::duration kForever = 10min;

struct Answer {
  std::vector<TokenId> tokens;
  FinishReason finished = FinishReason::kStop;

  bool operator==(const Answer&) const = default;
};

Answer collect(Generation generation) {
  Answer answer;
  while (true) {
    const Progress progress = generation.next(kForever);
    for (const GeneratedToken& token : progress.tokens) answer.tokens.push_back(token.id);
    if (progress.finished) {
      answer.finished = *progress.finished;
      return answer;
    }
  }
}

GenerationRequest random_request(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  GenerationRequest request;
  request.prompt.resize(1 + random() % 120);
  for (TokenId& token : request.prompt) token = static_cast<TokenId>(random() % 50);
  request.sampling.temperature = seed % 3 == 0 ? 0 : 1;
  request.sampling.seed = seed;
  request.max_tokens = static_cast<std::int64_t>(1 + random() % 80);
  request.stop_tokens = {static_cast<TokenId>(random() % 50)};
  return request;
}

/// Holds the step loop before each step until the test lets it go on.
class Gate {
 public:
  std::function<void(std::span<const backend::Slice>)> wait() {
    return [this](std::span<const backend::Slice>) {
      arrived_.release();
      if (!open_) go_.acquire();
    };
  }
  void wait_for_step() { arrived_.acquire(); }
  void let_one_step_go() { go_.release(); }
  void open() {
    open_ = true;
    go_.release();
  }

 private:
  std::counting_semaphore<> arrived_{0};
  std::counting_semaphore<> go_{0};
  std::atomic<bool> open_ = false;
};

TEST_CASE("generates max_tokens, or up to a stop token, or until the context is full") {
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{}), {.max_model_len = 64});
  const SamplingParams greedy{.temperature = 0};
  const Answer ten = collect(engine.submit({.prompt = {1, 2, 3}, .sampling = greedy, .max_tokens = 10}));
  CHECK(ten.tokens.size() == 10);
  CHECK(ten.finished == FinishReason::kLength);

  const Answer stopped = collect(
      engine.submit({.prompt = {1, 2, 3}, .sampling = greedy, .max_tokens = 10, .stop_tokens = {ten.tokens[4]}}));
  const auto first = std::ranges::find(ten.tokens, ten.tokens[4]);
  CHECK(stopped.tokens == std::vector<TokenId>(ten.tokens.begin(), first + 1));
  CHECK(stopped.finished == FinishReason::kStop);

  const Answer full = collect(
      engine.submit({.prompt = {1, 2, 3}, .sampling = greedy, .max_tokens = std::numeric_limits<std::int64_t>::max()}));
  CHECK(full.tokens.size() == 61);
  CHECK(full.finished == FinishReason::kLength);
}

TEST_CASE("answers under load are those that each request gets alone") {
  const std::size_t kRequests = 60;
  std::vector<Answer> alone;
  {
    Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{}), {.limits = {.max_batch_tokens = 512}});
    for (std::size_t i = 0; i < kRequests; ++i) alone.push_back(collect(engine.submit(random_request(i))));
  }
  // Few pages: sequences are preempted all the time. Chunks of 7 to 100 tokens.
  const auto [pages, batch_tokens, running] =
      GENERATE(table<std::int64_t, std::int64_t, std::int64_t>({{16, 7, 7}, {20, 100, 16}, {64, 33, 8}}));
  std::atomic<std::int64_t> preempted = 0;
  std::atomic<std::int64_t> prompt_tokens = 0;
  std::atomic<std::int64_t> generated_tokens = 0;
  std::latch all_submitted(1);
  const auto on_step = [&](const StepReport& report) {
    preempted += report.preempted;
    prompt_tokens += report.prompt_tokens;
    generated_tokens += report.generated_tokens;
  };
  Engine engine(std::make_unique<ToyBackend>(
                    ToyBackend::Options{.kv_pages = pages, .before_forward = [&](auto) { all_submitted.wait(); }}),
                {.limits = {.max_batch_tokens = batch_tokens, .max_running = running}, .on_step = on_step});
  std::vector<Answer> together(kRequests);
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < kRequests; ++i) {
    clients.emplace_back([&, i, generation = engine.submit(random_request(i))]() mutable {
      together[i] = collect(std::move(generation));
    });
  }
  all_submitted.count_down();
  for (std::thread& client : clients) client.join();
  CHECK(together == alone);
  REQUIRE(engine.wait_until_idle(kForever));
  CHECK(engine.statistics().kv_pages_used == 0);
  if (pages < 64) CHECK(preempted > 0);

  std::int64_t expected_prompt = 0;
  std::int64_t expected_generated = 0;
  for (std::size_t i = 0; i < kRequests; ++i) {
    expected_prompt += std::ssize(random_request(i).prompt);
    expected_generated += std::ssize(alone[i].tokens);
  }
  CHECK(prompt_tokens == expected_prompt);
  CHECK(generated_tokens == expected_generated);
}

TEST_CASE("clients that leave at random do not disturb those who stay, and leave no page behind") {
  std::vector<Answer> alone;
  {
    Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{}), {});
    for (std::uint64_t i = 0; i < 30; ++i) alone.push_back(collect(engine.submit(random_request(i))));
  }
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{.kv_pages = 32}),
                {.limits = {.max_batch_tokens = 32, .max_running = 8}});
  std::atomic<int> wrong = 0;
  std::vector<std::thread> clients;
  for (std::uint64_t i = 0; i < 30; ++i) {
    clients.emplace_back([&, i] {
      { const Generation leaves_at_once = engine.submit(random_request(100 + i)); }
      {
        Generation leaves_after_a_token = engine.submit(random_request(200 + i));
        leaves_after_a_token.next(kForever);
      }
      if (collect(engine.submit(random_request(i))) != alone[i]) ++wrong;
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(wrong == 0);
  REQUIRE(engine.wait_until_idle(kForever));
  CHECK(engine.statistics().kv_pages_used == 0);
}

TEST_CASE("a cancelled request is gone after the step that runs") {
  Gate gate;
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{.before_forward = gate.wait()}), {});
  std::optional<Generation> leaves = engine.submit({.prompt = {1}, .max_tokens = 500});
  gate.wait_for_step();
  leaves.reset();
  gate.let_one_step_go();
  CHECK(engine.wait_until_idle(kForever));  // No other step was let through.
  CHECK(engine.statistics().kv_pages_used == 0);
  gate.open();
}

TEST_CASE("a client that never reads does not hold up the others") {
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{}), {});
  Generation sleeper = engine.submit({.prompt = {1}, .max_tokens = 400});
  CHECK(collect(engine.submit({.prompt = {2}, .max_tokens = 400})).tokens.size() == 400);
  REQUIRE(engine.wait_until_idle(kForever));
  CHECK(collect(std::move(sleeper)).tokens.size() == 400);
}

TEST_CASE("a full queue refuses, and takes requests again later") {
  Gate gate;
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{.before_forward = gate.wait()}),
                {.limits = {.max_running = 1}, .max_waiting = 1});
  Generation runs = engine.submit({.prompt = {1}, .max_tokens = 3});
  gate.wait_for_step();
  Generation waits = engine.submit({.prompt = {2}, .max_tokens = 3});
  CHECK_THROWS_AS(engine.submit({.prompt = {3}, .max_tokens = 3}), QueueFull);
  const EngineStatistics statistics = engine.statistics();
  CHECK(statistics.running + statistics.waiting == 2);
  gate.open();
  CHECK(collect(std::move(runs)).tokens.size() == 3);
  CHECK(collect(std::move(waits)).tokens.size() == 3);
  REQUIRE(engine.wait_until_idle(kForever));
  CHECK(collect(engine.submit({.prompt = {3}, .max_tokens = 3})).tokens.size() == 3);
}

TEST_CASE("draining finishes what runs and takes nothing new") {
  Gate gate;
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{.before_forward = gate.wait()}), {});
  Generation runs = engine.submit({.prompt = {1}, .max_tokens = 20});
  gate.wait_for_step();
  engine.drain();
  CHECK_THROWS_AS(engine.submit({.prompt = {1}, .max_tokens = 1}), Draining);
  CHECK_FALSE(engine.wait_until_idle(0s));
  gate.open();
  CHECK(engine.wait_until_idle(kForever));
  CHECK(collect(std::move(runs)).tokens.size() == 20);
}

TEST_CASE("an engine that ends fails what still runs") {
  std::optional<Generation> running;
  std::optional<Generation> waiting;
  {
    Engine engine(
        std::make_unique<ToyBackend>(ToyBackend::Options{.max_position_embeddings = 1 << 20, .kv_pages = 1 << 16}),
        {.limits = {.max_running = 1}});
    running.emplace(engine.submit({.prompt = {1}, .max_tokens = 1 << 20}));
    waiting.emplace(engine.submit({.prompt = {1}, .max_tokens = 1 << 20}));
    running->next(kForever);
  }
  CHECK_THROWS_AS(running->next(kForever), GenerationFailed);
  CHECK_THROWS_AS(waiting->next(kForever), GenerationFailed);
}

TEST_CASE("a step that fails fails its requests, and the engine goes on") {
  std::atomic<bool> broken = true;
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{.before_forward =
                                                                     [&](std::span<const backend::Slice>) {
                                                                       if (broken) throw std::runtime_error("no power");
                                                                     }}),
                {});
  Generation unlucky = engine.submit({.prompt = {1}, .max_tokens = 3});
  CHECK_THROWS_AS(unlucky.next(kForever), GenerationFailed);
  broken = false;
  CHECK(collect(engine.submit({.prompt = {1}, .max_tokens = 3})).tokens.size() == 3);
}

TEST_CASE("requests and options that cannot work are refused") {
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{}), {.max_model_len = 32});
  CHECK_THROWS_AS(engine.submit({.prompt = {}, .max_tokens = 1}), Error);
  CHECK_THROWS_AS(engine.submit({.prompt = {50}, .max_tokens = 1}), Error);
  CHECK_THROWS_AS(engine.submit({.prompt = {-1}, .max_tokens = 1}), Error);
  CHECK_THROWS_AS(engine.submit({.prompt = {1}, .max_tokens = 0}), Error);
  CHECK_THROWS_AS(engine.submit({.prompt = std::vector<TokenId>(32, 1), .max_tokens = 1}), Error);

  const auto toy = [] { return std::make_unique<ToyBackend>(ToyBackend::Options{.kv_pages = 4}); };
  CHECK_THROWS_AS(Engine(toy(), {.max_model_len = 65}), Error);
  CHECK_THROWS_AS(Engine(toy(), {.max_model_len = 513}), Error);
  CHECK_THROWS_AS(Engine(toy(), {.max_model_len = 1}), Error);
  CHECK(Engine(toy(), {}).max_model_len() == 64);
}

}  // namespace
}  // namespace gpuinfer::engine
