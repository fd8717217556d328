// The backend for NVIDIA GPUs: kernels of this folder, one after the other.
#pragma once

#include <memory>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend {

/// Brings the weights to the first GPU, with `threads` threads, and takes memory for the KV cache and for a step;
/// `model` is not needed afterwards. Throws NoDevice; UnsupportedModel; OutOfDeviceMemory that says what is needed and
/// what there is; Error where a weight is not a finite number.
std::unique_ptr<Backend> make_cuda_backend(const model::Model& model, const std::vector<KvGroup>& kv_groups,
                                           int threads);

}  // namespace gpuinfer::backend
