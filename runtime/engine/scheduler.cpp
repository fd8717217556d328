#include "runtime/engine/scheduler.hpp"

#include <algorithm>
#include <tuple>

#include "base/error.hpp"

namespace gpuinfer::engine {
namespace {

void insert_in_order(std::vector<Sequence*>& sequences, Sequence& sequence) {
  const auto goes_before = [](const Sequence* a, const Sequence* b) {
    return std::tie(a->priority, a->id) < std::tie(b->priority, b->id);
  };
  sequences.insert(std::ranges::upper_bound(sequences, &sequence, goes_before), &sequence);
}

bool is_generating(const Sequence* sequence) { return sequence->remaining() == 1; }

}  // namespace

Scheduler::Scheduler(KvCache& kv, SchedulerLimits limits) : kv_(kv), limits_(limits) {
  if (limits.max_running < 1 || limits.max_batch_tokens < limits.max_running) {
    throw Error("a step of " + std::to_string(limits.max_batch_tokens) + " tokens cannot hold " +
                    std::to_string(limits.max_running) + " running sequences",
                "Each sequence needs at least one token of a step: raise the tokens or lower the sequences.");
  }
}

void Scheduler::add(Sequence& sequence) { insert_in_order(waiting_, sequence); }

void Scheduler::remove(Sequence& sequence) {
  std::erase(running_, &sequence);
  std::erase(waiting_, &sequence);
  kv_.release(sequence);
}

Step Scheduler::schedule() {
  Step step;
  underway_.clear();
  // Every sequence that generates has its token; prompts share the rest.
  std::int64_t budget = limits_.max_batch_tokens - std::ranges::count_if(running_, is_generating);

  // running_ may shrink meanwhile, but only behind the sequence whose turn it is.
  for (std::size_t i = 0; i < running_.size(); ++i) {
    if (is_generating(running_[i])) {
      add_slice(*running_[i], 1, step);
    } else {
      budget -= add_slice(*running_[i], budget, step);
    }
  }
  // After a preemption nobody is admitted: it would take the pages that were just made free.
  while (step.preempted == 0 && budget > 0 && !waiting_.empty()) {
    Sequence& sequence = *waiting_.front();
    if (!admit_first()) break;
    budget -= add_slice(sequence, budget, step);
  }
  return step;
}

void Scheduler::start_over() {
  while (!running_.empty()) put_back_last();
  kv_.forget();
}

bool Scheduler::admit_first() {
  if (running() == limits_.max_running) return false;
  Sequence& sequence = *waiting_.front();
  kv_.reuse(sequence);
  if (!running_.empty() && !kv_.has_room(sequence, running_)) {
    kv_.release(sequence);
    return false;
  }
  waiting_.erase(waiting_.begin());
  insert_in_order(running_, sequence);
  return true;
}

/// The tokens that the sequence gets, `most` or fewer.
std::int64_t Scheduler::add_slice(Sequence& sequence, std::int64_t most, Step& step) {
  if (most == 0 || sequence.remaining() == 0) return 0;
  if (!is_generating(&sequence)) {
    kv_.reuse(sequence);
    // Several that begin alike: the first computes, the others have its pages after this step.
    if (next_block_is_underway(sequence)) return 0;
  }
  const std::int64_t tokens = std::min({most, sequence.remaining(), sequence.max_slice_tokens});
  if (!make_room(sequence, tokens, step)) return 0;
  note_blocks(sequence, tokens);
  step.slices.push_back({&sequence, tokens});
  return tokens;
}

bool Scheduler::next_block_is_underway(Sequence& sequence) const {
  const bool begins_block = sequence.computed % backend::kPageTokens == 0;
  // The block of the last token is computed in any case.
  if (!sequence.reuse_prefix || !begins_block || sequence.remaining() <= backend::kPageTokens) return false;
  return underway_.contains(sequence.hashes.at(sequence.computed / backend::kPageTokens, sequence.tokens));
}

void Scheduler::note_blocks(Sequence& sequence, std::int64_t tokens) {
  if (!kv_.reuses_prefixes()) return;
  const std::int64_t whole = std::ssize(sequence.tokens) / backend::kPageTokens;
  const std::int64_t end = std::min(pages_for(sequence.computed + tokens), whole);
  for (std::int64_t block = sequence.computed / backend::kPageTokens; block < end; ++block) {
    underway_.insert(sequence.hashes.at(block, sequence.tokens));
  }
}

/// Takes pages from the last of the running sequences until there are enough. False where that comes to the sequence
/// itself, which is put back then, or to one that is in the step already.
bool Scheduler::make_room(Sequence& sequence, std::int64_t tokens, Step& step) {
  while (!kv_.reserve(sequence, tokens)) {
    const Sequence* const last = running_.back();
    if (std::ranges::find(step.slices, last, &ScheduledSlice::sequence) != step.slices.end()) return false;
    put_back_last();
    ++step.preempted;
    if (last == &sequence) return false;
  }
  return true;
}

/// The last of the running sequences waits again, without its pages.
void Scheduler::put_back_last() {
  Sequence& last = *running_.back();
  running_.pop_back();
  kv_.release(last);
  insert_in_order(waiting_, last);
}

}  // namespace gpuinfer::engine
