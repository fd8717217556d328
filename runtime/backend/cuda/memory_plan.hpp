// What takes how much of a GPU's memory, decided before anything is brought there.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/backend/cuda/device.hpp"
#include "runtime/backend/kv_plan.hpp"
#include "runtime/model/model_config.hpp"

namespace gpuinfer::backend::cuda {

struct MemoryPlan {
  std::int64_t weights_bytes = 0;
  std::int64_t workspace_bytes = 0;
  /// For what is only known later: kernels' code, which the driver loads when they first run, and the inputs of a step.
  std::int64_t reserve_bytes = 0;
  std::int64_t cache_bytes = 0;
  std::vector<KvGroup> kv_groups = {};

  std::int64_t bytes() const { return weights_bytes + workspace_bytes + reserve_bytes + cache_bytes; }
};

/// A GPU, and the weights that it gets.
struct GpuLoad {
  Device device{};
  std::int64_t weights_bytes = 0;
};

/// For each of several GPUs, or for one, of which the one with the least room decides; `config` is that of a shard. The
/// KV cache gets what weights, workspace and reserve leave, from the plan's least to its most tokens. Throws
/// OutOfDeviceMemory that says what is needed, what there is, and with which setting it would suffice.
MemoryPlan plan_memory(std::span<const GpuLoad> gpus, const model::ModelConfig& config, const KvPlan& kv_plan);

}  // namespace gpuinfer::backend::cuda
