// Which sequences run in the next step, and how many tokens of each: continuous batching with chunked prefill.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "runtime/engine/kv_pages.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::engine {

/// The tokens of one request, and how far they are computed.
struct Sequence {
  Sequence(std::uint64_t sequence_id, std::vector<TokenId> prompt, PagePool& pool)
      : id(sequence_id), tokens(std::move(prompt)), page_table(pool) {}

  std::int64_t remaining() const { return std::ssize(tokens) - computed; }

  std::uint64_t id;
  /// The prompt and what was generated so far.
  std::vector<TokenId> tokens;
  /// The first `computed` tokens have their keys and values in the pages.
  std::int64_t computed = 0;
  PageTable page_table;
};

struct SchedulerLimits {
  /// Tokens in one step, prompts and generated ones together.
  std::int64_t max_batch_tokens = 256;
  /// Sequences that run at the same time; at most `max_batch_tokens`.
  std::int64_t max_running = 64;
};

/// `tokens` tokens of `sequence`, from its `computed` on.
struct ScheduledSlice {
  Sequence* sequence;
  std::int64_t tokens;

  /// Whether the sequence gets its next token from this step.
  bool reaches_end() const { return sequence->remaining() == tokens; }
};

struct Step {
  std::vector<ScheduledSlice> slices;
  /// Sequences that lost their pages to older ones.
  std::int64_t preempted = 0;
};

/// First come, first served. A sequence is admitted when there are pages for all of its tokens; one that is generating
/// takes more as it grows. When no page is left the youngest running sequence gives up its own, waits in front of the
/// others and is computed again later. Whatever is admitted is older than whatever waits, so the oldest sequence always
/// goes on and every sequence finishes.
///
/// Each sequence must fit into the pool alone. No thread, no clock, no model: a pure state machine.
class Scheduler {
 public:
  /// Throws Error where a limit is below 1 or max_running is above max_batch_tokens.
  Scheduler(PagePool& pool, SchedulerLimits limits);

  /// Puts a sequence at the end of the queue. It must outlive its stay here.
  void add(Sequence& sequence);
  /// Takes a sequence out, waiting or running, and frees its pages.
  void remove(Sequence& sequence);

  /// The next step: one token for each sequence that generates, then prompts in chunks, oldest first. Not empty while
  /// any sequence has tokens to compute. Gives pages to sequences and takes them away, so a scheduled step must be
  /// computed, and `computed` of its sequences moved on, before the next is asked for.
  Step schedule();
  std::int64_t running() const { return std::ssize(running_); }
  std::int64_t waiting() const { return std::ssize(waiting_); }

 private:
  bool make_room(Sequence& sequence, Step& step);
  void preempt_youngest();
  bool can_admit(const Sequence& sequence) const;

  PagePool& pool_;
  SchedulerLimits limits_;
  std::vector<Sequence*> running_;  ///< Oldest first.
  std::deque<Sequence*> waiting_;   ///< Oldest first; all younger than those that run.
};

}  // namespace gpuinfer::engine
