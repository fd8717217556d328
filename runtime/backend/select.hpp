// Choosing a backend by its name.
#pragma once

#include <memory>
#include <string_view>

#include "runtime/backend/backend.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend {

/// "cpu", "reference", or "auto": the fastest that this machine and this build have, with a line in the log that says
/// which and why. `threads` 0 means usable_cpus(). Throws Error where the name is unknown or the memory is not there.
std::unique_ptr<Backend> make_backend(std::string_view name, std::shared_ptr<const model::Model> model,
                                      std::int64_t kv_pages, int threads);

}  // namespace gpuinfer::backend
