// Which sequences run in the next step, and how many tokens of each: continuous batching with chunked prefill.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "runtime/engine/kv_cache.hpp"
#include "runtime/engine/sequence.hpp"

namespace gpuinfer::engine {

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

  /// Whether the sequence gets its next token from this step; before KvCache::advance().
  bool reaches_end() const { return sequence->remaining() == tokens; }
};

struct Step {
  std::vector<ScheduledSlice> slices;
  /// Sequences that lost their pages to others.
  std::int64_t preempted = 0;
};

/// First come, first served, among sequences of the same priority. A sequence is admitted when there are pages for all
/// of its tokens; it takes them as it is computed, and more as it grows. When no page is left the last of the running
/// sequences gives up its own, waits again and is computed again later. The first of the running sequences goes on in
/// every step, so every sequence finishes.
///
/// Each sequence must fit into the KV cache alone. No thread, no clock, no model: a pure state machine.
class Scheduler {
 public:
  /// Throws Error where a limit is below 1 or max_running is above max_batch_tokens.
  Scheduler(KvCache& kv, SchedulerLimits limits);

  /// Lets a sequence wait for its turn. It must outlive its stay here.
  void add(Sequence& sequence);
  /// Takes a sequence out, waiting or running, and frees its pages.
  void remove(Sequence& sequence);

  /// The next step: one token for each sequence that generates, and prompts in chunks, the first ones first. Not empty
  /// where any sequence has tokens to compute and no step is under way. Gives pages to sequences and takes them away,
  /// so a scheduled step must be computed before any later one, and KvCache::advance() called for its slices before the
  /// next is asked for.
  Step schedule();
  /// Nothing that was computed can be relied upon: all sequences give up their pages and are computed again.
  void start_over();
  std::int64_t running() const { return std::ssize(running_); }
  std::int64_t waiting() const { return std::ssize(waiting_); }

 private:
  bool admit_first();
  std::int64_t add_slice(Sequence& sequence, std::int64_t most, Step& step);
  bool next_block_is_underway(Sequence& sequence) const;
  void note_blocks(Sequence& sequence, std::int64_t tokens);
  bool make_room(Sequence& sequence, std::int64_t tokens, Step& step);
  void put_back_last();

  KvCache& kv_;
  SchedulerLimits limits_;
  std::vector<Sequence*> running_;  ///< By priority, then by arrival.
  std::vector<Sequence*> waiting_;  ///< Likewise.
  /// Blocks of prompts that are computed in the step that is being made.
  std::unordered_set<BlockHash, BlockHashHash> underway_;
};

}  // namespace gpuinfer::engine
