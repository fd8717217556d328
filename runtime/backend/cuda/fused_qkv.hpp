// From normalised activations to what attention reads, in one launch where tokens are few.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/product.hpp"
#include "runtime/backend/cuda/rope.hpp"
#include "runtime/backend/cuda/stream.hpp"

namespace gpuinfer::backend::cuda {

struct FusedQkv {
  Product product;                    ///< of the weights of q, k and v, one below the other
  RotateAndStore storing;             ///< of product.out
  std::uint32_t* arrivals = nullptr;  ///< one for each head of q, k and v, zero before and after
};

/// The same bits as multiply() and then rotate_and_store(). Up to kFewTokens tokens, and with heads of whole tiles of
/// rows, it is one launch, in which the last block of a head to finish stores that head: then there is a warp for each
/// token. Else it is the two. Throws as multiply().
void multiply_and_store(const FusedQkv& step, Stream stream);

/// Of one launch. What comes from the product is there once, though it is written and read.
inline Cost cost(const FusedQkv& step) {
  const Cost product = cost(step.product);
  const Cost storing = cost(step.storing);
  return {.bytes = product.bytes + storing.bytes - step.product.tokens * step.product.rows * 4,
          .flops = product.flops + storing.flops};
}

}  // namespace gpuinfer::backend::cuda
