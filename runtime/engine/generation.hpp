// What a client holds of its request: the stream of generated tokens, and the way to give up.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::engine {

using Clock = std::chrono::steady_clock;

enum class FinishReason {
  kStop,    ///< A stop token was generated; it is the last token.
  kLength,  ///< max_tokens were generated, or the context is full.
};

/// The step loop could not go on with a request.
class GenerationFailed : public Error {
 public:
  using Error::Error;
};

struct GeneratedToken {
  TokenId id = 0;
  Clock::time_point time;  ///< When it was sampled.
};

/// What happened to a request since its client last asked.
struct Progress {
  std::vector<GeneratedToken> tokens;
  /// Set once, together with the last tokens.
  std::optional<FinishReason> finished;
};

/// Between the step loop, which writes and never waits, and one client thread. Holds at most the request's max_tokens
/// tokens: a client may be as slow as it likes without holding up the loop or anybody else.
class TokenQueue {
 public:
  /// For the step loop.
  void scheduled(Clock::time_point time);
  void push(GeneratedToken token, std::optional<FinishReason> finished);
  void fail(std::string what, std::string remedy);
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  /// For the client.
  Progress take(Clock::duration timeout);
  std::optional<Clock::time_point> scheduled_time() const;
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Progress progress_;
  std::optional<GenerationFailed> failure_;
  std::optional<Clock::time_point> scheduled_time_;
  std::atomic<bool> cancelled_ = false;
};

/// A request that was submitted. Ending it cancels it: its pages are free before the next step.
class Generation {
 public:
  explicit Generation(std::shared_ptr<TokenQueue> queue) : queue_(std::move(queue)) {}
  ~Generation();
  Generation(Generation&&) = default;
  Generation& operator=(Generation&&) = delete;

  /// Waits until there are tokens or the end, but not longer than `timeout`: then the progress is empty. Throws
  /// GenerationFailed.
  Progress next(Clock::duration timeout) { return queue_->take(timeout); }

  /// When the request entered its first step, once it has.
  std::optional<Clock::time_point> scheduled_time() const { return queue_->scheduled_time(); }

 private:
  std::shared_ptr<TokenQueue> queue_;
};

}  // namespace gpuinfer::engine
