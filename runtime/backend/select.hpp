// Choosing a backend by its name.
#pragma once

#include <memory>
#include <string_view>

#include "runtime/backend/backend.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend {

/// "cuda", "cpu", "reference", or "auto": the GPU where there is one that can be used, else the CPU with a line in the
/// log that says why. `kv_groups` are those of make_kv_groups(), each with the pages that it is given. `threads` 0
/// means usable_cpus(). Throws Error where the name is unknown, the memory is not there, or "cuda" has no GPU.
std::unique_ptr<Backend> make_backend(std::string_view name, std::shared_ptr<const model::Model> model,
                                      const std::vector<KvGroup>& kv_groups, int threads);

}  // namespace gpuinfer::backend
