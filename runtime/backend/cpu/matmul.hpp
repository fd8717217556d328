// The product of activations and a packed weight.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/backend/cpu/activations.hpp"
#include "runtime/backend/cpu/packed_matrix.hpp"

namespace gpuinfer::backend {

/// Outputs that the kernels of this machine compute side by side: pack weights for this many lanes.
std::int64_t matmul_lanes();

/// The instruction set that the kernels of this machine use ("AVX2").
std::string instruction_set();

/// A part of a product: some groups of rows for some tokens.
struct MatmulRange {
  std::int64_t group_begin, group_end;
  std::int64_t token_begin, token_end;
};

/// out[token · stride + row] = x · weightᵀ, or += where `accumulate` (a residual connection).
///
/// Every output is accumulated in float32 in the order of its columns (float types: four interleaved partial sums,
/// added as (s0 + s1) + (s2 + s3)), with the arithmetic of reference/linear.hpp; the range has no influence on it.
void matmul(const PackedMatrix& weight, const Activations& x, const MatmulRange& range, float* out, std::int64_t stride,
            bool accumulate);

}  // namespace gpuinfer::backend
