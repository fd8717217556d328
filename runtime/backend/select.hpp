// Choosing a backend by its name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/backend/kv_plan.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend {

/// "cuda", "cpu", "reference", or "auto": the GPU where there is one that can be used, else the CPU with a line in the
/// log that says why. The GPU has pages for as much of the plan as its memory allows, the others for its usual tokens.
/// `threads` 0 means usable_cpus(). More than one of `gpus` is "cuda" or nothing. Throws Error where the name is
/// unknown, the memory is not there, or "cuda" has not so many GPUs.
std::unique_ptr<Backend> make_backend(std::string_view name, std::shared_ptr<const model::Model> model,
                                      const KvPlan& kv_plan, int threads, std::int64_t gpus = 1);

/// The GPU that "cuda" would take: lines for people, of which the last says how fast its memory copies. Throws
/// cuda::NoDevice where there is none, and Error where it fails.
std::vector<std::string> describe_gpu();

}  // namespace gpuinfer::backend
