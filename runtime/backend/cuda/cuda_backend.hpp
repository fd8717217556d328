// The backend for NVIDIA GPUs: kernels of this folder, one after the other.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/backend/backend.hpp"
#include "runtime/backend/kv_plan.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend {

/// Brings the weights to the first `gpus` GPUs, with `threads` threads, and takes memory for a step and, as far as it
/// goes, for what the KV cache can use; `model` is not needed afterwards. Throws NoDevice; UnsupportedModel, also where
/// so many GPUs cannot share the model; OutOfDeviceMemory that says what is needed, what there is and what would fit;
/// Error where a weight is not a finite number, where there are fewer GPUs, or no NCCL for more than one.
std::unique_ptr<Backend> make_cuda_backend(const model::Model& model, const KvPlan& kv_plan, int threads,
                                           std::int64_t gpus = 1);

}  // namespace gpuinfer::backend
