// The one type that text/, engine/ and backend/ share.
#pragma once

#include <cstdint>

namespace gpuinfer {

/// Index into a model's vocabulary.
using TokenId = std::int32_t;

}  // namespace gpuinfer
