// The product of activations and a packed weight.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/backend/cpu/activations.hpp"
#include "runtime/backend/cpu/packed_matrix.hpp"

namespace gpuinfer::backend {

/// Outputs that the kernels of this machine compute side by side: pack weights in groups of so many rows.
std::int64_t matmul_group_rows();

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
/// integer sums of the columns that share a scale, y = Σ over these, in order, of (scale_w · scale_x) · Σ q_w·q_x, and
/// after each run of 32 columns + minimum_w · (scale_x · Σ q_x). Float: a sum over the columns in order. All in float32
/// with fused multiply-adds; the range has no influence on any output.
void matmul(const PackedMatrix& weight, const Activations& x, const MatmulRange& range, float* out, std::int64_t stride,
            bool accumulate);

}  // namespace gpuinfer::backend
