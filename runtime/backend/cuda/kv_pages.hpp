// Keys and values of all sequences, in pages on the GPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/device.hpp"
#include "runtime/model/model_config.hpp"

namespace gpuinfer::backend::cuda {

/// Of one layer: [pages of its group, kv_heads, kPageTokens, head_dim].
struct LayerPages {
  std::size_t group;
  DeviceArray<Bfloat16> keys;
  DeviceArray<Bfloat16> values;
};

/// Throws OutOfDeviceMemory, and std::invalid_argument where a layer has no group.
std::vector<LayerPages> make_pages(const model::ModelConfig& config, std::span<const KvGroup> groups);

/// Bytes that they take. Throws Error where no machine has so many.
std::int64_t bytes_of_pages(const model::ModelConfig& config, std::span<const KvGroup> groups);

}  // namespace gpuinfer::backend::cuda
