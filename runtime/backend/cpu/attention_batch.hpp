// Attention of a whole batch, shared among threads.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/backend/cpu/attention.hpp"
#include "runtime/backend/cpu/thread_pool.hpp"

namespace gpuinfer::backend {

/// Collects the tasks of one layer and runs them. Where there are few of them, as for a single long sequence, their
/// segments are computed side by side; the results are the same bits.
class AttentionBatch {
 public:
  void clear() { tasks_.clear(); }
  void add(const AttentionTask& task) { tasks_.push_back(task); }
  void run(ThreadPool& pool);

 private:
  void run_segments(ThreadPool& pool);

  struct Segment {
    std::size_t task;
    std::int64_t index;
    std::size_t partial;  ///< where its part of partials_ begins
  };

  std::vector<AttentionTask> tasks_;
  // Kept so that their memory is.
  std::vector<Segment> segments_;
  std::vector<std::size_t> first_partials_;  ///< of each task
  std::vector<float> partials_;
};

}  // namespace gpuinfer::backend
