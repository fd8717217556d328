#include "runtime/engine/scheduler.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace gpuinfer::engine {

Scheduler::Scheduler(PagePool& pool, SchedulerLimits limits) : pool_(pool), limits_(limits) {
  if (limits.max_running < 1 || limits.max_batch_tokens < limits.max_running) {
    throw Error("a step of " + std::to_string(limits.max_batch_tokens) + " tokens cannot hold " +
                    std::to_string(limits.max_running) + " running sequences",
                "Each sequence needs at least one token of a step: raise the tokens or lower the sequences.");
  }
}

void Scheduler::add(Sequence& sequence) { waiting_.push_back(&sequence); }

void Scheduler::remove(Sequence& sequence) {
  std::erase(running_, &sequence);
  std::erase(waiting_, &sequence);
  sequence.page_table.clear();
}

Step Scheduler::schedule() {
  Step step;
  std::int64_t budget = limits_.max_batch_tokens;

  // running_ shrinks from its end when make_room() preempts: never a sequence that is in the step already.
  for (std::size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    if (sequence.remaining() != 1 || !make_room(sequence, step)) continue;
    step.slices.push_back({&sequence, 1});
    --budget;
  }
  for (Sequence* sequence : running_) {
    if (sequence->remaining() == 1 || budget == 0) continue;
    const std::int64_t tokens = std::min(sequence->remaining(), budget);
    step.slices.push_back({sequence, tokens});
    budget -= tokens;
  }
  // After a preemption nobody is admitted: it would take the pages that were just made free.
  while (step.preempted == 0 && budget > 0 && !waiting_.empty() && can_admit(*waiting_.front())) {
    Sequence& sequence = *waiting_.front();
    waiting_.pop_front();
    running_.push_back(&sequence);
    sequence.page_table.reserve(std::ssize(sequence.tokens));
    const std::int64_t tokens = std::min(sequence.remaining(), budget);
    step.slices.push_back({&sequence, tokens});
    budget -= tokens;
  }
  return step;
}

/// False where the sequence itself was the youngest and lost its pages.
bool Scheduler::make_room(Sequence& sequence, Step& step) {
  while (!sequence.page_table.reserve(std::ssize(sequence.tokens))) {
    const bool itself = running_.back() == &sequence;
    preempt_youngest();
    ++step.preempted;
    if (itself) return false;
  }
  return true;
}

void Scheduler::preempt_youngest() {
  Sequence& youngest = *running_.back();
  running_.pop_back();
  youngest.page_table.clear();
  youngest.computed = 0;
  waiting_.push_front(&youngest);
}

bool Scheduler::can_admit(const Sequence& sequence) const {
  if (running() == limits_.max_running) return false;
  // A page is left for each running sequence to grow into, or the newcomer would soon be preempted.
  return running_.empty() || pages_for(std::ssize(sequence.tokens)) + running() <= pool_.free();
}

}  // namespace gpuinfer::engine
