// How requests share a model: one thread that steps, and a door to it for every other thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/error.hpp"
#include "runtime/backend/backend.hpp"
#include "runtime/engine/generation.hpp"
#include "runtime/engine/kv_pages.hpp"
#include "runtime/engine/sampling.hpp"
#include "runtime/engine/scheduler.hpp"

namespace gpuinfer::engine {

struct GenerationRequest {
  std::vector<TokenId> prompt = {};
  SamplingParams sampling = {};
  /// Tokens to generate at most; never more than the context leaves room for.
  std::int64_t max_tokens = 0;
  /// Tokens that end the generation.
  std::vector<TokenId> stop_tokens = {};
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

/// What one step did.
struct StepReport {
  std::int64_t tokens = 0;            ///< Computed in this step, repeated ones included.
  std::int64_t prompt_tokens = 0;     ///< Of prompts, each counted once however often it is computed.
  std::int64_t generated_tokens = 0;  ///< Given to clients.
  std::int64_t preempted = 0;
};

struct EngineOptions {
  /// Longest sequence, prompt and generated tokens together. 0: what the model was made for, as far as the pages reach.
  std::int64_t max_model_len = 0;
  SchedulerLimits limits = {};
  /// Requests that may wait while limits.max_running others run.
  std::int64_t max_waiting = 256;
  /// Called by the step loop after every step; must not block.
  std::function<void(const StepReport&)> on_step = {};
};

struct EngineStatistics {
  std::int64_t running = 0;
  std::int64_t waiting = 0;
  std::int64_t kv_pages = 0;
  std::int64_t kv_pages_used = 0;
};

/// Runs: admit, schedule, backend.forward(), sample, emit. The loop never waits for a client, knows no text and no
/// HTTP. A request's tokens depend on the request alone, not on what else runs.
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

  /// Queues a request. Throws QueueFull, Draining, or Error where the prompt is empty, leaves no room in the context or
  /// has an unknown token.
  Generation submit(GenerationRequest request);

  EngineStatistics statistics() const;

  /// From now on submit() throws Draining.
  void drain();
  /// Waits until nothing runs and nothing waits; false where that took longer than `timeout`.
  bool wait_until_idle(Clock::duration timeout) const;
  /// Fails what still runs, and ends the step loop. For one thread, the one that ends the engine.
  void stop();

 private:
  /// A request inside the step loop.
  struct Request {
    Request(std::uint64_t id, GenerationRequest request, std::shared_ptr<TokenQueue> token_queue, PagePool& pool);

    Sequence sequence;
    SamplingParams sampling;
    RandomStream random;
    std::int64_t prompt_tokens;
    std::int64_t prompt_tokens_seen = 0;
    std::size_t max_length;
    std::vector<TokenId> stop_tokens;
    std::shared_ptr<TokenQueue> queue;
  };

  void run();
  bool wait_for_work();
  void drop_cancelled();
  void step();
  void compute(const Step& step);
  StepReport emit(const Step& step);
  bool emit_token(Request& request, std::span<const float> logits);
  void fail(std::uint64_t id, const std::string& what, const std::string& remedy);
  void finish(std::uint64_t id);
  void check(const GenerationRequest& request) const;
  void publish_statistics();

  std::unique_ptr<backend::Backend> backend_;
  EngineOptions options_;

  // The step loop's own.
  PagePool pool_;
  Scheduler scheduler_;
  Sampler sampler_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Request>> requests_;
  std::vector<float> logits_;

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
