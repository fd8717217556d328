// A model with its weights dequantised, to compare what two programs compute without what they round.
#pragma once

#include "runtime/model/model.hpp"

namespace gpuinfer::model {

/// All weights of `model` as float32, in memory of its own.
Model to_float32(Model model);

}  // namespace gpuinfer::model
