// A mixture's router in one launch where tokens are few: scores, and all that follows from them.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/product.hpp"
#include "runtime/backend/cuda/router.hpp"
#include "runtime/backend/cuda/stream.hpp"

namespace gpuinfer::backend::cuda {

struct FusedRouter {
  Product product;                    ///< of the router's weights
  Routing routing;                    ///< of product.out
  std::uint32_t* arrivals = nullptr;  ///< one, zero before and after
};

/// The same bits as multiply() and then route(). Up to kFewTokens tokens it is one launch, whose last block routes:
/// then there is a warp for each token. More tokens take the two. Throws what these throw.
void multiply_and_route(const FusedRouter& step, Stream stream);

/// Of one launch. Scores are there once, though they are written and read.
inline Cost cost(const FusedRouter& step) {
  const Cost product = cost(step.product);
  const Cost routing = cost(step.routing);
  return {.bytes = product.bytes + routing.bytes - step.routing.tokens * step.routing.experts * 4,
          .flops = product.flops + routing.flops};
}

}  // namespace gpuinfer::backend::cuda
