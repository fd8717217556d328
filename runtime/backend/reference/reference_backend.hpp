// The oracle: one forward pass in plain loops, slow and obviously right.
#pragma once

#include <memory>

#include "runtime/backend/backend.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend {

/// Values are float32, every sum is accumulated in double, quantised weights are dequantised: what the model's file
/// means, whatever a faster backend does to get there.
std::unique_ptr<Backend> make_reference_backend(std::shared_ptr<const model::Model> model, std::int64_t kv_pages);

}  // namespace gpuinfer::backend
