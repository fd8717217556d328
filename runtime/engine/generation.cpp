#include "runtime/engine/generation.hpp"

#include <algorithm>
#include <utility>

namespace gpuinfer::engine {

void TokenQueue::start(const Start& start) {
  const std::lock_guard lock(doorbell_->mutex);
  start_ = start;
}

void TokenQueue::push(GeneratedToken token, std::optional<FinishReason> finished) {
  const std::lock_guard lock(doorbell_->mutex);
  progress_.tokens.push_back(std::move(token));
  progress_.finished = finished;
  doorbell_->rung.notify_one();
}

void TokenQueue::push_prompt_logprobs(Logprobs logprobs) {
  const std::lock_guard lock(doorbell_->mutex);
  progress_.prompt_logprobs.push_back(std::move(logprobs));
}

void TokenQueue::finish_embedding(std::vector<float> embedding) {
  const std::lock_guard lock(doorbell_->mutex);
  progress_.embedding = std::move(embedding);
  progress_.finished = FinishReason::kStop;
  doorbell_->rung.notify_one();
}

void TokenQueue::fail(std::exception_ptr failure) {
  const std::lock_guard lock(doorbell_->mutex);
  failure_ = std::move(failure);
  doorbell_->rung.notify_one();
}

Progress TokenQueue::take(Clock::duration timeout) {
  std::unique_lock lock(doorbell_->mutex);
  doorbell_->rung.wait_for(lock, timeout, [this] { return has_news(); });
  if (failure_ && progress_.empty()) std::rethrow_exception(std::exchange(failure_, nullptr));
  return std::exchange(progress_, {});
}

std::optional<Start> TokenQueue::start() const {
  const std::lock_guard lock(doorbell_->mutex);
  return start_;
}

Generation::~Generation() {
  if (queue_) queue_->cancel();
}

void Generation::wait_for_any(std::span<const Generation* const> generations, Clock::duration timeout) {
  if (generations.empty()) return;
  Doorbell& doorbell = *generations.front()->queue_->doorbell_;
  std::unique_lock lock(doorbell.mutex);
  doorbell.rung.wait_for(lock, timeout, [&] {
    return std::ranges::any_of(generations, [](const Generation* one) { return one->queue_->has_news(); });
  });
}

}  // namespace gpuinfer::engine
