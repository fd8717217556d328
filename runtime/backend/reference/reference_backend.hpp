// The oracle: one forward pass in plain loops, slow and obviously right.
#pragma once

#include <memory>

#include "runtime/backend/backend.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend {

/// Values are float32, every sum is accumulated in double. Linear layers with float weights use the activations as they
/// are; those with quantised weights follow linear.hpp's definition, as the other backends do.
std::unique_ptr<Backend> make_reference_backend(std::shared_ptr<const model::Model> model, std::int64_t kv_pages);

}  // namespace gpuinfer::backend
