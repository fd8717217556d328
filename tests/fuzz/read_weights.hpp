// Reading everything that a loader has loaded.
#pragma once

#include "runtime/model/model.hpp"

namespace gpuinfer::fuzz {

/// Touches every byte of the weights, as a backend would.
void read_weights(const model::Model& model);

}  // namespace gpuinfer::fuzz
