#include "runtime/backend/cuda/step_graphs.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace gpuinfer::backend::cuda {

void StepGraphs::run(const StepShape& shape, Queue& queue, const std::function<void()>& launches) {
  const auto [place, is_new] = entries_.try_emplace(shape);
  Entry& entry = place->second;
  entry.last_use = ++uses_;
  if (is_new) {
    launches();
    if (entries_.size() > most_graphs_) forget_oldest();
    return;
  }
  if (!entry.graph) entry.graph = record(queue, launches);
  if (entry.graph) {
    queue.launch(entry.graph);
  } else {
    launches();
  }
}

void StepGraphs::forget_oldest() {
  entries_.erase(std::ranges::min_element(entries_, {},
                                          [](const auto& shape_and_entry) { return shape_and_entry.second.last_use; }));
}

/// Null where the GPU cannot.
Graph StepGraphs::record(Queue& queue, const std::function<void()>& launches) {
  if (!can_record_) return nullptr;
  try {
    return queue.record(launches);
  } catch (const Error& error) {
    can_record_ = false;
    log(LogLevel::kWarning, "steps are launched kernel by kernel", {{"reason", error.what()}});
    return nullptr;
  }
}

}  // namespace gpuinfer::backend::cuda
