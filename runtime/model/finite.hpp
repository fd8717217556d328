// Weights must be numbers: NaN or infinity in one of them would silently spoil every answer.
#pragma once

#include <cstdint>

#include "runtime/model/tensor.hpp"

namespace gpuinfer::model {

/// Throws Error naming the tensor where one of its rows [begin, end) holds NaN or infinity. Of quantised types only the
/// scales are looked at, since nothing else can be either. Meant to be called by who reads the rows anyway, just
/// before: it costs little more than bringing them into the cache.
void check_finite(const Tensor& tensor, std::int64_t begin, std::int64_t end);

/// The same for all rows; an empty tensor is finite.
void check_finite(const Tensor& tensor);

}  // namespace gpuinfer::model
