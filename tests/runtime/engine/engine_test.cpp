// The step loop over a toy model: the same tokens alone and under load, and what clients may do to it.
#include "runtime/engine/engine.hpp"

#include <algorithm>
#include <atomic>
#include <latch>
#include <limits>
#include <numeric>
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
  std::vector<std::optional<Logprobs>> logprobs;
  std::vector<Logprobs> prompt_logprobs;
  FinishReason finished = FinishReason::kStop;

  bool operator==(const Answer&) const = default;
};

Answer collect(Generation generation) {
  Answer answer;
  while (true) {
    const Progress progress = generation.next(kForever);
    for (const GeneratedToken& token : progress.tokens) {
      answer.tokens.push_back(token.id);
      answer.logprobs.push_back(token.logprobs);
    }
    answer.prompt_logprobs.insert(answer.prompt_logprobs.end(), progress.prompt_logprobs.begin(),
                                  progress.prompt_logprobs.end());
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
  if (seed % 5 == 0) request.adjustments = {.repetition_penalty = 1.3F, .frequency_penalty = 0.2F, .min_tokens = 3};
  if (seed % 8 == 1) request.adjustments.logit_bias = {{3, 2.0F}, {9, -100.0F}, {3, 1.0F}, {99, 1.0F}};
  if (seed % 8 == 2) request.adjustments.allowed_tokens = {1, 4, 7, 22, 33, 49, 50, -1};
  if (seed % 8 == 3) request.adjustments.bad_words = {{4}, {5, 6}, {7, 7, 8}};
  if (seed % 6 == 1) request.sampling = {.min_p = 0.01F, .top_k = 20, .top_p = 0.9F, .seed = seed};
  if (seed % 4 == 0) request.logprobs = 2;
  if (seed % 7 == 0) request.prompt_logprobs = 1;
  // Some begin alike.
  if (seed % 3 == 0) std::fill_n(request.prompt.begin(), request.prompt.size() * 3 / 4, 7);
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

/// Who chooses tokens, and when they are known.
enum class Choice { kHost, kBackend, kBackendAhead };

void choose_by(Choice choice, ToyBackend::Options& options) {
  options.samples = choice == Choice::kBackend;
  options.runs_ahead = choice == Choice::kBackendAhead;
}

/// The answers to requests 0 .. count-1, each alone in an engine that remembers nothing.
std::vector<Answer> answers_alone(const ToyBackend::Options& options, std::uint64_t count) {
  Engine engine(std::make_unique<ToyBackend>(options), {.limits = {.max_batch_tokens = 512}, .reuse_prefixes = false});
  std::vector<Answer> answers;
  for (std::uint64_t i = 0; i < count; ++i) answers.push_back(collect(engine.submit(random_request(i))));
  return answers;
}

TEST_CASE("answers under load are those that each request gets alone") {
  const std::size_t kRequests = 60;
  constexpr std::int64_t kWindow = 20;
  const bool windowed = GENERATE(false, true);
  ToyBackend::Options options;
  if (windowed) options.kv_groups.push_back({.sliding_window = kWindow, .pages = 64});
  const std::vector<Answer> alone = answers_alone(options, kRequests);
  // Few pages: sequences are preempted all the time. Chunks of 1 to 100 tokens.
  const auto [pages, batch_tokens, running, reuse] = GENERATE(table<std::int64_t, std::int64_t, std::int64_t, bool>(
      {{16, 7, 7, true}, {16, 1, 1, true}, {20, 100, 16, true}, {20, 100, 16, false}, {64, 33, 8, true}}));
  CAPTURE(windowed, pages, batch_tokens, reuse);
  options.kv_groups[0].pages = pages;
  if (windowed) options.kv_groups[1].pages = pages_for(kWindow + batch_tokens) + 3;
  std::atomic<std::int64_t> preempted = 0;
  std::atomic<std::int64_t> prompt_tokens = 0;
  std::atomic<std::int64_t> generated_tokens = 0;
  std::latch all_submitted(1);
  // Others than those alone, and the same tokens.
  choose_by(GENERATE(Choice::kHost, Choice::kBackend, Choice::kBackendAhead), options);
  const auto on_step = [&](const StepReport& report) {
    preempted += report.preempted;
    prompt_tokens += report.prompt_tokens;
    generated_tokens += report.generated_tokens;
  };
  options.before_forward = [&](auto) { all_submitted.wait(); };
  Engine engine(std::make_unique<ToyBackend>(options),
                {.limits = {.max_batch_tokens = batch_tokens, .max_running = running},
                 .reuse_prefixes = reuse,
                 .on_step = on_step});
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
  if (pages < 64 && running > 1 && !windowed) CHECK(preempted > 0);

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
  const std::vector<Answer> alone = answers_alone({}, 30);
  const bool ahead = GENERATE(false, true);
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{.kv_groups = {{.pages = 32}}, .runs_ahead = ahead}),
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

TEST_CASE("requests of one client are queued all or none, and share their prompt") {
  std::int64_t hits = 0;
  std::int64_t computed = 0;
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{}),
                {.limits = {.max_running = 4}, .max_waiting = 2, .on_step = [&](const StepReport& report) {
                   hits += report.prefix_hits;
                   computed += report.tokens;
                 }});
  std::vector<GenerationRequest> requests(6, {.prompt = std::vector<TokenId>(100, 3), .max_tokens = 5});
  for (std::uint64_t i = 0; i < 6; ++i) requests[i].sampling.seed = i;
  CHECK_THROWS_AS(engine.submit(std::vector<GenerationRequest>(7, requests[0])), QueueFull);
  std::vector<Generation> generations = engine.submit(requests);
  std::vector<const Generation*> waited;
  for (const Generation& generation : generations) waited.push_back(&generation);
  Generation::wait_for_any(waited, kForever);
  std::vector<Answer> answers;
  for (Generation& generation : generations) answers.push_back(collect(std::move(generation)));
  REQUIRE(engine.wait_until_idle(kForever));
  CHECK(hits == 5 * 96);
  CHECK(computed == 100 + 5 * 4 + 6 * 4);
  for (std::size_t i = 0; i < 6; ++i) CHECK(collect(engine.submit(requests[i])) == answers[i]);
}

TEST_CASE("a cache salt keeps prompts apart") {
  std::int64_t hits = 0;
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{}),
                {.on_step = [&](const StepReport& report) { hits += report.prefix_hits; }});
  const auto ask = [&](const std::string& salt) {
    collect(engine.submit({.prompt = std::vector<TokenId>(40, 3), .max_tokens = 1, .cache_salt = salt}));
    engine.wait_until_idle(kForever);
    return std::exchange(hits, 0);
  };
  CHECK(ask("") == 0);
  CHECK(ask("a") == 0);
  CHECK(ask("a") == 32);
  CHECK(ask("") == 32);
}

TEST_CASE("logprobs of an answer and of its prompt") {
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{}), {});
  const Answer answer = collect(engine.submit({.prompt = std::vector<TokenId>(50, 3),
                                               .sampling = {.temperature = 0},
                                               .max_tokens = 4,
                                               .logprobs = 3,
                                               .prompt_logprobs = 0}));
  REQUIRE(answer.logprobs.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(answer.logprobs[i]->token == answer.logprobs[i]->top[0]);
    CHECK(answer.logprobs[i]->token.id == answer.tokens[i]);
    CHECK(answer.logprobs[i]->top.size() == 3);
  }
  REQUIRE(answer.prompt_logprobs.size() == 49);
  CHECK(answer.prompt_logprobs[7].token.id == 3);
  CHECK(answer.prompt_logprobs[7].top.empty());
}

TEST_CASE("a backend that samples gives logits only to those who look at them, and the same answers") {
  std::vector<backend::Logits> logits;
  const auto note_logits = [&](std::span<const backend::Slice> batch) {
    for (const backend::Slice& slice : batch) logits.push_back(slice.logits);
  };
  const auto ask = [&](bool samples, const GenerationRequest& request) {
    logits.clear();
    Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{.samples = samples, .before_forward = note_logits}),
                  {});
    const Answer answer = collect(engine.submit(request));
    engine.wait_until_idle(kForever);
    return answer;
  };
  GenerationRequest request{.prompt = {1, 2, 3}, .sampling = {.seed = 5}, .max_tokens = 6};
  using backend::Logits;
  const Answer tokens = ask(false, request);
  CHECK(ask(true, request) == tokens);
  CHECK(std::ranges::count(logits, Logits::kNone) == 6);

  request.logprobs = 0;
  const Answer with_logprobs = ask(false, request);
  const Answer sampled = ask(true, request);
  CHECK(std::ranges::count(logits, Logits::kNone) == 6);
  CHECK(sampled.tokens == tokens.tokens);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(sampled.logprobs[i]->token.id == tokens.tokens[i]);
    CHECK(sampled.logprobs[i]->token.logprob == with_logprobs.logprobs[i]->token.logprob);
  }

  request.logprobs = 2;
  CHECK(ask(true, request) == ask(false, request));
  CHECK(ask(true, request).tokens == tokens.tokens);
  CHECK(std::ranges::count(logits, Logits::kLast) == 6);
}

TEST_CASE("embeddings have length 1, and chunks and company make no difference") {
  const Pooling pooling = GENERATE(Pooling::kMean, Pooling::kLast);
  const auto embed = [&](const EngineOptions& options) {
    Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{.kv_groups = {{.pages = 10}}}), options);
    Generation company = engine.submit({.prompt = {1}, .max_tokens = 150});
    std::vector<TokenId> prompt(100);
    std::iota(prompt.begin(), prompt.end() - 50, 0);
    Generation generation = engine.submit({.prompt = prompt, .embedding = pooling});
    while (true) {
      const Progress progress = generation.next(kForever);
      CHECK(progress.tokens.empty());
      if (progress.finished) return progress.embedding;
    }
  };
  const std::vector<float> embedding = embed({});
  REQUIRE(embedding.size() == ToyBackend::kHidden);
  double squares = 0;
  for (const float value : embedding) squares += static_cast<double>(value * value);
  CHECK(squares == Approx(1));
  for (const std::int64_t chunk : {2, 7, 64}) {
    CHECK(embed({.limits = {.max_batch_tokens = chunk, .max_running = 2}}) == embedding);
  }
}

TEST_CASE("a request whose time is up fails, waiting or running") {
  Gate gate;
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{.before_forward = gate.wait()}),
                {.limits = {.max_running = 1}});
  Generation endless = engine.submit({.prompt = {1}, .max_tokens = 100});
  gate.wait_for_step();
  Generation waits = engine.submit({.prompt = {2}, .max_tokens = 3, .deadline = Clock::now()});
  gate.let_one_step_go();
  CHECK_THROWS_AS(waits.next(kForever), DeadlineExceeded);
  gate.open();
  CHECK(collect(std::move(endless)).tokens.size() == 100);
  Generation late = engine.submit({.prompt = {1}, .max_tokens = 100, .deadline = Clock::now()});
  CHECK_THROWS_AS(late.next(kForever), DeadlineExceeded);
  REQUIRE(engine.wait_until_idle(kForever));
  CHECK(engine.statistics().kv_pages_used == 0);
}

TEST_CASE("parameters that leave no token, and logits that are no numbers, fail the request") {
  const bool samples = GENERATE(false, true);
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{.samples = samples}), {});
  Generation impossible =
      engine.submit({.prompt = {1}, .adjustments = {.allowed_tokens = {3}, .bad_words = {{3}}}, .max_tokens = 1});
  CHECK_THROWS_WITH(impossible.next(kForever), Catch::Contains("leave no token"));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Engine broken(std::make_unique<ToyBackend>(ToyBackend::Options{.largest_logit = nan, .samples = samples}), {});
  Generation failed = broken.submit({.prompt = {1}, .max_tokens = 1});
  CHECK_THROWS_WITH(failed.next(kForever), Catch::Contains("not a finite number"));
}

TEST_CASE("padding of the vocabulary is never generated") {
  const bool samples = GENERATE(false, true);
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{.samples = samples}), {.generated_vocab_size = 5});
  for (const TokenId token : collect(engine.submit({.prompt = {9}, .max_tokens = 100})).tokens) CHECK(token < 5);
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
    Engine engine(std::make_unique<ToyBackend>(
                      ToyBackend::Options{.max_position_embeddings = 1 << 20, .kv_groups = {{.pages = 1 << 16}}}),
                  {.limits = {.max_running = 1}});
    running.emplace(engine.submit({.prompt = {1}, .max_tokens = 1 << 20}));
    waiting.emplace(engine.submit({.prompt = {1}, .max_tokens = 1 << 20}));
    running->next(kForever);
  }
  CHECK_THROWS_AS(collect(std::move(*running)), GenerationFailed);
  CHECK_THROWS_AS(waiting->next(kForever), GenerationFailed);
}

TEST_CASE("a step that throws fails the requests in it, and the engine goes on") {
  constexpr TokenId kPoison = 13;
  Gate gate;
  const auto wait = gate.wait();
  const auto before_forward = [&](std::span<const backend::Slice> batch) {
    wait(batch);
    for (const backend::Slice& slice : batch) {
      if (std::ranges::count(slice.tokens, kPoison) > 0) throw std::runtime_error("poison");
    }
  };
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{.before_forward = before_forward}),
                {.limits = {.max_running = 2}, .generated_vocab_size = kPoison});
  Generation first = engine.submit({.prompt = {1}, .max_tokens = 5});
  gate.wait_for_step();
  Generation poisonous = engine.submit({.prompt = {kPoison}, .max_tokens = 5});
  Generation waits = engine.submit({.prompt = {2}, .max_tokens = 5});
  gate.open();
  CHECK_THROWS_WITH(collect(std::move(first)), "poison");
  CHECK_THROWS_AS(collect(std::move(poisonous)), GenerationFailed);
  CHECK(collect(std::move(waits)).tokens.size() == 5);
  REQUIRE(engine.wait_until_idle(kForever));
  CHECK(engine.statistics().kv_pages_used == 0);
  CHECK(engine.statistics().failure.empty());
}

TEST_CASE("a step is begun before the one before it ends, unless it needs its tokens") {
  std::string order;
  const auto ask = [&](const GenerationRequest& request) {
    Engine engine(
        std::make_unique<ToyBackend>(ToyBackend::Options{
            .runs_ahead = true, .before_forward = [&](auto) { order += 'b'; }, .before_finish = [&] { order += 'f'; }}),
        {});
    const std::vector<TokenId> tokens = collect(engine.submit(request)).tokens;
    engine.stop();
    return tokens;
  };
  GenerationRequest request{.prompt = {1, 2, 3}, .max_tokens = 5};
  CHECK(ask(request).size() == 5);
  CHECK(std::exchange(order, "") == "bbfbfbfbff");

  request.max_tokens = 3;
  request.adjustments.frequency_penalty = 1;
  CHECK(ask(request).size() == 3);
  CHECK(std::exchange(order, "") == "bfbfbf");

  // That the first token ends the answer is seen when the second one is computed already.
  request.adjustments = {};
  request.stop_tokens.resize(50);
  std::iota(request.stop_tokens.begin(), request.stop_tokens.end(), 0);
  CHECK(ask(request).size() == 1);
  CHECK(std::exchange(order, "") == "bbff");

  // Only 49 may come before the third token.
  request.adjustments.min_tokens = 2;
  request.stop_tokens.pop_back();
  const std::vector<TokenId> tokens = ask(request);
  CHECK(tokens == std::vector<TokenId>{49, 49, tokens.back()});
  CHECK(std::exchange(order, "") == "bbfbff");
}

TEST_CASE("what an answer computed is found by the next prompt, also where its tokens are known late") {
  const auto hits_after = [](Choice choice, std::int64_t max_tokens) {
    std::int64_t hits = 0;
    ToyBackend::Options options;
    choose_by(choice, options);
    Engine engine(std::make_unique<ToyBackend>(options),
                  {.on_step = [&](const StepReport& report) { hits += report.prefix_hits; }});
    GenerationRequest request{.prompt = {1, 2, 3}, .max_tokens = max_tokens};
    const Answer answer = collect(engine.submit(request));
    request.prompt.insert(request.prompt.end(), answer.tokens.begin(), answer.tokens.end());
    request.prompt.resize(100, 7);
    collect(engine.submit(request));
    engine.stop();
    return hits;
  };
  for (std::int64_t max_tokens = 10; max_tokens < 34; ++max_tokens) {
    CAPTURE(max_tokens);
    // The last token of an answer is not computed.
    CHECK(hits_after(Choice::kHost, max_tokens) == (3 + max_tokens - 1) / 16 * 16);
    CHECK(hits_after(Choice::kBackendAhead, max_tokens) == (3 + max_tokens - 1) / 16 * 16);
  }
}

TEST_CASE("a step that fails takes the one behind it along, and nothing that was in the pages is used again") {
  const bool at_begin = GENERATE(false, true);
  std::atomic<int> steps_to_failure = -1;
  const auto count_down = [&] {
    if (--steps_to_failure == 0) throw std::runtime_error("no power");
  };
  ToyBackend::Options options{.runs_ahead = true};
  if (at_begin) {
    options.before_forward = [&](auto) { count_down(); };
  } else {
    options.before_finish = count_down;
  }
  Engine engine(std::make_unique<ToyBackend>(options), {.limits = {.max_batch_tokens = 8, .max_running = 2}});
  const std::vector<GenerationRequest> requests = {{.prompt = std::vector<TokenId>(30, 5), .max_tokens = 20},
                                                   {.prompt = std::vector<TokenId>(40, 3), .max_tokens = 20}};
  std::vector<Answer> expected;
  for (const GenerationRequest& request : requests) expected.push_back(collect(engine.submit(request)));
  for (const int steps : {1, 2, 5, 6, 7, 20}) {
    CAPTURE(at_begin, steps);
    REQUIRE(engine.wait_until_idle(kForever));
    steps_to_failure = steps;
    std::size_t failed = 0;
    std::vector<Generation> generations = engine.submit(requests);
    for (std::size_t i = 0; i < 2; ++i) {
      try {
        const Answer answer = collect(std::move(generations[i]));
        CHECK(answer == expected[i]);
      } catch (const GenerationFailed& failure) {
        CHECK(failure.what() == std::string("no power"));
        ++failed;
      }
    }
    CHECK(failed > 0);
    REQUIRE(engine.wait_until_idle(kForever));
    CHECK(engine.statistics().kv_pages_used == 0);
    for (std::size_t i = 0; i < 2; ++i) CHECK(collect(engine.submit(requests[i])) == expected[i]);
  }
}

TEST_CASE("a backend that always throws fails all, is left alone by new requests, and comes back when it works") {
  Gate gate;
  const auto wait = gate.wait();
  std::atomic<bool> broken = true;
  const auto before_forward = [&](std::span<const backend::Slice> batch) {
    wait(batch);
    if (broken) throw std::runtime_error("no power");
  };
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{.before_forward = before_forward}),
                {.limits = {.max_batch_tokens = 16, .max_running = 4}});
  std::vector<GenerationRequest> requests;
  for (std::uint64_t seed = 0; seed < 20; ++seed) requests.push_back(random_request(seed));
  requests.push_back({.prompt = {1, 2}, .embedding = Pooling::kMean});
  std::vector<Generation> generations = engine.submit(requests);
  gate.open();
  for (Generation& generation : generations) CHECK_THROWS_AS(generation.next(kForever), GenerationFailed);
  REQUIRE(engine.wait_until_idle(kForever));
  CHECK(engine.statistics().kv_pages_used == 0);
  CHECK(engine.statistics().failure == "no power");
  CHECK_THROWS_AS(engine.submit({.prompt = {1}, .max_tokens = 3}), BackendBroken);
  broken = false;
  while (!engine.statistics().failure.empty()) std::this_thread::sleep_for(1ms);
  CHECK(collect(engine.submit({.prompt = {1}, .max_tokens = 3})).tokens.size() == 3);
}

TEST_CASE("requests and options that cannot work are refused") {
  Engine engine(std::make_unique<ToyBackend>(ToyBackend::Options{}), {.max_model_len = 32});
  CHECK_THROWS_AS(engine.submit({.prompt = {}, .max_tokens = 1}), Error);
  CHECK_THROWS_AS(engine.submit({.prompt = {50}, .max_tokens = 1}), Error);
  CHECK_THROWS_AS(engine.submit({.prompt = {-1}, .max_tokens = 1}), Error);
  CHECK_THROWS_AS(engine.submit({.prompt = {1}, .max_tokens = 0}), Error);
  CHECK_THROWS_AS(engine.submit({.prompt = std::vector<TokenId>(32, 1), .max_tokens = 1}), Error);

  const auto toy = [] { return std::make_unique<ToyBackend>(ToyBackend::Options{.kv_groups = {{.pages = 4}}}); };
  CHECK_THROWS_AS(Engine(toy(), {.max_model_len = 65}), Error);
  CHECK_THROWS_AS(Engine(toy(), {.max_model_len = 513}), Error);
  CHECK_THROWS_AS(Engine(toy(), {.max_model_len = 1}), Error);
  CHECK(Engine(toy(), {}).max_model_len() == 64);
}

}  // namespace
}  // namespace gpuinfer::engine
