// The backend that every machine has: SIMD on all cores.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/backend/cpu/kv_cache.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend {

/// Weights are packed once for this machine's vectors; `model` is not needed afterwards. `threads` is at least 1, see
/// usable_cpus(). `kv_type` nothing: float32 where the weights that make the keys are, else 16 bits. Throws Error where
/// the memory is not there.
std::unique_ptr<Backend> make_cpu_backend(const model::Model& model, const std::vector<KvGroup>& kv_groups, int threads,
                                          std::optional<KvType> kv_type = std::nullopt);

}  // namespace gpuinfer::backend
