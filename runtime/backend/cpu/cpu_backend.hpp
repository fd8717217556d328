// The backend that every machine has: SIMD on all cores.
#pragma once

#include <memory>

#include "runtime/backend/backend.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend {

/// Weights are packed once for this machine's vectors; `model` is not needed afterwards. `threads` is at least 1, see
/// usable_cpus(). Throws Error where the memory is not there.
std::unique_ptr<Backend> make_cpu_backend(const model::Model& model, std::int64_t kv_pages, int threads);

}  // namespace gpuinfer::backend
