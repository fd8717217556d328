// Matrix products on tensor cores, each by a whole warp (PTX ISA: mma.sync.aligned.m16n8k16, sm_80).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "runtime/backend/cuda/ptx/kernel.cuh"

namespace gpuinfer::backend::cuda::ptx {

// What lane 4·r + c holds of a matrix. A word is two bfloat16, the first in its lower half.

/// 16 · 16, in words: row r and row r + 8, each columns 2c and 2c + 1; then both rows, columns 2c + 8 and 2c + 9.
struct MatrixA {
  std::uint32_t words[4];
};

/// 16 · 8, in words: column r, rows 2c and 2c + 1; the same column, rows 2c + 8 and 2c + 9.
struct MatrixB {
  std::uint32_t words[2];
};

/// 16 · 8: row r and then row r + 8, each columns 2c and 2c + 1.
struct MatrixC {
  float values[4];
};

#ifdef __CUDACC__

/// c += a · b. What becomes of a column depends on that column of b and c alone. The GPU adds the 16 products and c in
/// an order of its own; the twin one after the other, to c first.
GPU_DEVICE void multiply_add(MatrixC& c, const MatrixA& a, const MatrixB& b) {
  // Volatile: no compiler may move it into a branch that uses the result, where not all lanes come.
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c.values[0]), "+f"(c.values[1]), "+f"(c.values[2]), "+f"(c.values[3])
      : "r"(a.words[0]), "r"(a.words[1]), "r"(a.words[2]), "r"(a.words[3]), "r"(b.words[0]), "r"(b.words[1]));
}

#else

GPU_DEVICE void multiply_add(MatrixC& c, const MatrixA& a, const MatrixB& b,
                             simt::Place place = simt::Place::current()) {
  const auto lanes = simt::exchange({a.words[0], a.words[1], a.words[2], a.words[3], b.words[0], b.words[1]}, place);
  const auto element = [&](unsigned lane, unsigned word, unsigned place_in_word) {
    return std::bit_cast<float>(lanes[lane][word] >> 16 * place_in_word << 16);
  };
  const auto row = static_cast<unsigned>(lane_index()) / 4;
  const auto first_column = static_cast<unsigned>(lane_index()) % 4 * 2;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned column = first_column + i % 2;
    for (unsigned k = 0; k < 16; ++k) {
      const unsigned lane = k % 8 / 2;
      c.values[i] += element(4 * row + lane, i / 2 + k / 8 * 2, k % 2) * element(4 * column + lane, 4 + k / 8, k % 2);
    }
  }
}

#endif

}  // namespace gpuinfer::backend::cuda::ptx
