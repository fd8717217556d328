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
/// Float weights meet float activations, quantised weights meet int16 ones (Activations). Quantised: with the exact
/// integer sums of each block, y = Σ over blocks, in order, of (scale_w · scale_x) · Σ q_w·q_x + minimum_w · (scale_x ·
/// Σ q_x). Float: four interleaved partial sums over the columns, added as (s0 + s1) + (s2 + s3). All in float32 with
/// fused multiply-adds; the range has no influence on any output.
void matmul(const PackedMatrix& weight, const Activations& x, const MatmulRange& range, float* out, std::int64_t stride,
            bool accumulate);

}  // namespace gpuinfer::backend
