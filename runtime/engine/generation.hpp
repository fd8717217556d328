// What a client holds of its request: the stream of generated tokens, and the way to give up.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "runtime/engine/logprobs.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::engine {

using Clock = std::chrono::steady_clock;

enum class FinishReason {
  kStop,    ///< A stop token was generated, the last token; or an embedding is complete.
  kLength,  ///< max_tokens were generated, or the context is full.
};

/// The step loop could not go on with a request.
class GenerationFailed : public Error {
 public:
  using Error::Error;
};

/// The request's deadline came before its end.
class DeadlineExceeded : public GenerationFailed {
 public:
  using GenerationFailed::GenerationFailed;
};

struct GeneratedToken {
  TokenId id = 0;
  Clock::time_point time = {};  ///< When it was sampled.
  std::optional<Logprobs> logprobs = {};
};

/// What happened to a request since its client last asked.
struct Progress {
  std::vector<GeneratedToken> tokens = {};
  /// Of the prompt's tokens, from the second one on.
  std::vector<Logprobs> prompt_logprobs = {};
  /// [hidden_size], where an embedding was asked for.
  std::vector<float> embedding = {};
  /// Set once, together with the last of these.
  std::optional<FinishReason> finished = {};

  bool empty() const { return tokens.empty() && prompt_logprobs.empty() && !finished; }
};

/// When a request's first step began, and what that step did not have to compute.
struct Start {
  Clock::time_point time;
  /// Tokens of the prompt that were in the prefix cache.
  std::int64_t cached_tokens = 0;
};

/// Wakes one client thread when anything happens to any of its requests.
struct Doorbell {
  std::mutex mutex;
  std::condition_variable rung;
};

/// Between the step loop, which writes and never waits, and one client thread. Holds at most the request's max_tokens
/// tokens: a client may be as slow as it likes without holding up the loop or anybody else.
class TokenQueue {
 public:
  explicit TokenQueue(std::shared_ptr<Doorbell> doorbell = std::make_shared<Doorbell>())
      : doorbell_(std::move(doorbell)) {}

  /// For the step loop.
  void start(const Start& start);
  void push(GeneratedToken token, std::optional<FinishReason> finished);
  void push_prompt_logprobs(Logprobs logprobs);
  void finish_embedding(std::vector<float> embedding);
  /// `failure` is a GenerationFailed, which is the client's alone from then on.
  void fail(std::exception_ptr failure);
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  /// For the client.
  Progress take(Clock::duration timeout);
  std::optional<Start> start() const;
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  friend class Generation;
  /// With the doorbell's mutex.
  bool has_news() const { return !progress_.empty() || failure_; }

  std::shared_ptr<Doorbell> doorbell_;  ///< Its mutex guards what follows.
  Progress progress_;
  std::exception_ptr failure_;
  std::optional<Start> start_;
  std::atomic<bool> cancelled_ = false;
};

/// A request that was submitted. Ending it cancels it: its pages are free before the next step.
class Generation {
 public:
  explicit Generation(std::shared_ptr<TokenQueue> queue) : queue_(std::move(queue)) {}
  ~Generation();
  Generation(Generation&&) = default;
  Generation& operator=(Generation&&) = delete;

  /// Waits until there is progress, but not longer than `timeout`: then it is empty. Throws GenerationFailed, once,
  /// after the progress that was made before it.
  Progress next(Clock::duration timeout) { return queue_->take(timeout); }

  /// Once the first step has begun.
  std::optional<Start> start() const { return queue_->start(); }

  /// Waits until one of these, which were submitted together, has progress or has failed, but not longer than
  /// `timeout`.
  static void wait_for_any(std::span<const Generation* const> generations, Clock::duration timeout);

 private:
  std::shared_ptr<TokenQueue> queue_;
};

}  // namespace gpuinfer::engine
