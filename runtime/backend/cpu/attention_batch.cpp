// Which threads compute which segments.
#include "runtime/backend/cpu/attention_batch.hpp"

#include <algorithm>

namespace gpuinfer::backend {
namespace {

/// With so many tasks for each thread, none waits long for the last one.
constexpr std::size_t kEnoughTasksPerThread = 4;

bool has_segments(const AttentionTask& task) { return task.end_segment() - task.first_segment() > 1; }

}  // namespace

void AttentionBatch::run(ThreadPool& pool) {
  const auto threads = static_cast<std::size_t>(pool.threads());
  const bool split =
      threads > 1 && tasks_.size() < kEnoughTasksPerThread * threads && std::ranges::any_of(tasks_, has_segments);
  if (split) return run_segments(pool);
  pool.parallel_for(static_cast<std::int64_t>(tasks_.size()),
                    [&](std::int64_t i) { attention(tasks_[static_cast<std::size_t>(i)]); });
}

void AttentionBatch::run_segments(ThreadPool& pool) {
  segments_.clear();
  first_partials_.clear();
  std::size_t floats = 0;
  for (std::size_t task = 0; task < tasks_.size(); ++task) {
    first_partials_.push_back(floats);
    for (std::int64_t segment = tasks_[task].first_segment(); segment < tasks_[task].end_segment(); ++segment) {
      segments_.push_back({task, segment, floats});
      floats += static_cast<std::size_t>(tasks_[task].partial_floats());
    }
  }
  if (partials_.size() < floats) partials_.resize(floats);
  pool.parallel_for(static_cast<std::int64_t>(segments_.size()), [&](std::int64_t i) {
    const Segment& segment = segments_[static_cast<std::size_t>(i)];
    attention_segment(tasks_[segment.task], segment.index, &partials_[segment.partial]);
  });
  pool.parallel_for(static_cast<std::int64_t>(tasks_.size()), [&](std::int64_t i) {
    const auto task = static_cast<std::size_t>(i);
    merge_segments(tasks_[task], &partials_[first_partials_[task]]);
  });
}

}  // namespace gpuinfer::backend
