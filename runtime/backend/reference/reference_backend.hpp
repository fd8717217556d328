// The oracle: one forward pass in plain loops, slow and obviously right.
#pragma once

#include <memory>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend {

/// What passes from one formula to the next.
enum class Precision {
  kFloat32,
  /// Normalised activations, queries, keys, values, and the results of attention and of the MLP's activation are
  /// rounded to bfloat16: where a GPU's tensor cores read them.
  kBfloat16,
};

/// Values are float32, every sum is accumulated in double, quantised weights are dequantised: what the model's file
/// means, whatever a faster backend does to get there. Throws Error where a weight is not a finite number.
std::unique_ptr<Backend> make_reference_backend(std::shared_ptr<const model::Model> model,
                                                const std::vector<KvGroup>& kv_groups,
                                                Precision precision = Precision::kFloat32);

}  // namespace gpuinfer::backend
