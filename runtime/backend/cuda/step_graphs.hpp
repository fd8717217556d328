// CUDA graphs of decode steps: some hundred kernels that the host starts with one call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "runtime/backend/cuda/device.hpp"
#include "runtime/backend/cuda/step.hpp"

namespace gpuinfer::backend::cuda {

/// A graph has its launches' arguments in it: addresses, and counts that grids come from. Steps of one shape agree in
/// all of them, so each shape that comes again gets a graph. The first step of a shape is launched as any other, which
/// also loads the code of its kernels: that is not allowed while launches are recorded. The second one records.
class StepGraphs {
 public:
  /// More shapes than that push out the one that was not used for longest.
  static constexpr std::size_t kMostGraphs = 64;

  explicit StepGraphs(std::size_t most_graphs = kMostGraphs) : most_graphs_(most_graphs) {}

  /// Does what `launches` launches into `queue`. Where the GPU cannot record, all steps are launched one by one, with a
  /// line in the log.
  void run(const StepShape& shape, Queue& queue, const std::function<void()>& launches);

 private:
  struct Entry {
    Graph graph;  ///< null: the shape has been seen once
    std::int64_t last_use = 0;
  };

  void forget_oldest();
  Graph record(Queue& queue, const std::function<void()>& launches);

  std::size_t most_graphs_;
  std::map<StepShape, Entry> entries_;
  std::int64_t uses_ = 0;
  bool can_record_ = true;
};

}  // namespace gpuinfer::backend::cuda
