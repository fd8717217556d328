// How requests share a model: one thread that steps, and a door to it for every other thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/error.hpp"
#include "runtime/backend/backend.hpp"
#include "runtime/engine/generation.hpp"
#include "runtime/engine/kv_cache.hpp"
#include "runtime/engine/logit_adjustments.hpp"
#include "runtime/engine/sampling.hpp"
#include "runtime/engine/scheduler.hpp"

namespace gpuinfer::engine {

/// How a prompt becomes one vector.
enum class Pooling {
  kMean,  ///< The mean of its tokens' hidden states.
  kLast,  ///< The last token's.
};

struct GenerationRequest {
  std::vector<TokenId> prompt = {};
  SamplingParams sampling = {};
  LogitAdjustments adjustments = {};
  /// Tokens to generate at most; never more than the context leaves room for.
  std::int64_t max_tokens = 0;
  /// Tokens that end the generation.
  std::vector<TokenId> stop_tokens = {};
  /// The logprob of each generated token is wanted, and those of so many of the likeliest ones.
  std::optional<std::int64_t> logprobs = {};
  /// Likewise for each token of the prompt but the first.
  std::optional<std::int64_t> prompt_logprobs = {};
  /// Nothing is generated: the prompt's embedding, of length 1, is wanted.
  std::optional<Pooling> embedding = {};
  /// Lower runs first.
  std::int64_t priority = 0;
  /// Requests share what they have in common of their prompts only with the same salt.
  std::string cache_salt = {};
  /// From then on the request is worthless.
  std::optional<Clock::time_point> deadline = {};
};

/// Too many requests wait: come back later.
class QueueFull : public Error {
 public:
  using Error::Error;
};

/// The engine finishes what it has and takes nothing new.
class Draining : public Error {
 public:
  using Error::Error;
};

/// The backend computes nothing at present: come back later.
class BackendBroken : public Error {
 public:
  using Error::Error;
};

/// What one step did.
struct StepReport {
  std::int64_t tokens = 0;         ///< Computed in this step, repeated ones included.
  std::int64_t prompt_tokens = 0;  ///< Of prompts, computed or found, each counted once however often it is computed.
  std::int64_t generated_tokens = 0;  ///< Given to clients.
  std::int64_t preempted = 0;
  std::int64_t prefix_queries = 0;  ///< Tokens of prompts that began in this step.
  std::int64_t prefix_hits = 0;     ///< How many of these the prefix cache had.
};

struct EngineOptions {
  /// Longest sequence, prompt and generated tokens together. 0: what the model was made for, as far as the pages reach.
  std::int64_t max_model_len = 0;
  SchedulerLimits limits = {};
  /// Requests that may wait while limits.max_running others run.
  std::int64_t max_waiting = 256;
  /// Sequences that begin alike share pages.
  bool reuse_prefixes = true;
  /// Only tokens below this id are generated: models pad their vocabulary. 0: all of them.
  std::int64_t generated_vocab_size = 0;
  /// Called by the step loop after every step; must not block.
  std::function<void(const StepReport&)> on_step = {};
};

struct EngineStatistics {
  std::int64_t running = 0;
  std::int64_t waiting = 0;
  /// Pages that sequences hold; what only the prefix cache remembers does not count.
  std::int64_t kv_pages_used = 0;
  /// In the fullest KV group, 0 to 1.
  double kv_usage = 0;
  /// Why the backend computes nothing at present; "" as long as it works.
  std::string failure = {};
};

/// Runs: admit, schedule, begin a step, sample, emit. A backend that samples does so itself, and logits come from it
/// only where they are looked at for more than the next token; one that runs ahead computes a step while the engine
/// emits what the last one gave and prepares the next. The loop never waits for a client, knows no text and no HTTP. A
/// request's tokens depend on the request alone, not on what else runs. A step that throws fails the requests in it,
/// and those of the step that was prepared meanwhile; then the engine tries the backend with a token of its own, again
/// and again until it works, and takes nothing new meanwhile.
class Engine {
 public:
  /// Throws Error where the options do not fit the backend.
  Engine(std::unique_ptr<backend::Backend> backend, EngineOptions options);
  /// As stop().
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const backend::Backend& backend() const { return *backend_; }
  std::int64_t max_model_len() const { return options_.max_model_len; }
  /// Requests that may run and wait at the same time.
  std::int64_t capacity() const { return options_.limits.max_running + options_.max_waiting; }

  /// Queues requests of one client: all or none. Throws QueueFull, Draining, BackendBroken, or Error where a prompt is
  /// empty, leaves no room in the context or has an unknown token.
  std::vector<Generation> submit(std::vector<GenerationRequest> requests);
  Generation submit(GenerationRequest request);

  EngineStatistics statistics() const;

  /// From now on submit() throws Draining.
  void drain();
  /// Waits until nothing runs and nothing waits; false where that took longer than `timeout`.
  bool wait_until_idle(Clock::duration timeout) const;
  /// Fails what still runs, and ends the step loop. For one thread, the one that ends the engine.
  void stop();

 private:
  struct Request;

  /// What a slice is computed for.
  struct Part {
    std::uint64_t request;
    std::int64_t position;
    std::int64_t tokens;
    backend::Logits logits;
    bool hidden;
    bool wants_token;  ///< A token comes after the slice.
    bool samples;      ///< The backend chooses it.
    bool promised;     ///< And the sequence goes on before it is known.
  };

  /// A step from its begin() to its finish(), with room for its results.
  struct StepUnderway {
    std::vector<Part> parts;
    std::vector<float> logits;
    std::vector<float> hidden;
    std::vector<backend::SampledToken> sampled;
    StepReport report;
  };

  void run();
  bool wait_for_work();
  void drop_departed();
  void step();
  bool begin_step();
  void finish_step();
  void lose_steps(const std::exception& error);
  StepUnderway& underway(std::uint64_t number) { return steps_[number % std::size(steps_)]; }
  bool has_steps_underway() const { return finished_ != begun_; }
  void start(const Step& step, StepReport& report);
  void begin(const Step& step, StepUnderway& underway);
  Part describe(const Request& request, const ScheduledSlice& slice) const;
  void try_backend();
  void note_failure(const std::string& failure);
  void emit(StepUnderway& step);
  void emit_prompt_logprobs(Request& request, std::int64_t position, std::span<const float> rows) const;
  void pool_hidden(Request& request, std::int64_t position, std::span<const float> rows) const;
  const backend::TokenSampling& describe_sampling(Request& request) const;
  bool emit_token(Request& request, std::span<const float> logits, const backend::SampledToken* sampled);
  TokenId choose(const Request& request, std::span<const float> logits);
  void fail(std::uint64_t id, std::exception_ptr failure);
  void finish(std::uint64_t id);
  void check(const GenerationRequest& request) const;
  void publish_statistics();

  std::unique_ptr<backend::Backend> backend_;
  EngineOptions options_;

  // The step loop's own.
  KvCache kv_;
  Scheduler scheduler_;
  Sampler sampler_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Request>> requests_;
  /// Those under way are the steps finished_ .. begun_-1 of all that there ever were.
  StepUnderway steps_[2];
  std::uint64_t begun_ = 0;
  std::uint64_t finished_ = 0;
  std::vector<float> adjusted_;
  /// As in the statistics.
  std::string failure_;

  // Shared with the clients.
  mutable std::mutex mutex_;
  std::condition_variable work_;
  mutable std::condition_variable idle_;
  std::vector<std::unique_ptr<Request>> incoming_;
  std::uint64_t next_id_ = 0;
  EngineStatistics statistics_;
  bool draining_ = false;
  bool stopping_ = false;

  std::thread loop_;
};

}  // namespace gpuinfer::engine
