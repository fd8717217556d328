#include "runtime/engine/generation.hpp"

#include <utility>

namespace gpuinfer::engine {

void TokenQueue::scheduled(Clock::time_point time) {
  const std::lock_guard lock(mutex_);
  if (!scheduled_time_) scheduled_time_ = time;
}

void TokenQueue::push(GeneratedToken token, std::optional<FinishReason> finished) {
  const std::lock_guard lock(mutex_);
  progress_.tokens.push_back(token);
  progress_.finished = finished;
  changed_.notify_one();
}

void TokenQueue::fail(std::string what, std::string remedy) {
  const std::lock_guard lock(mutex_);
  failure_.emplace(std::move(what), std::move(remedy));
  changed_.notify_one();
}

Progress TokenQueue::take(Clock::duration timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [this] {
    return !progress_.tokens.empty() || progress_.finished.has_value() || failure_.has_value();
  });
  if (failure_) throw *failure_;
  return std::exchange(progress_, {});
}

std::optional<Clock::time_point> TokenQueue::scheduled_time() const {
  const std::lock_guard lock(mutex_);
  return scheduled_time_;
}

Generation::~Generation() {
  if (queue_) queue_->cancel();
}

}  // namespace gpuinfer::engine
