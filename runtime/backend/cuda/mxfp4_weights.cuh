// Weights in MXFP4, as product_tile.cuh reads them.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "runtime/backend/cuda/mxfp4.hpp"
#include "runtime/backend/cuda/ptx/convert.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/memory.cuh"
#include "runtime/backend/cuda/ptx/mma.cuh"

namespace gpuinfer::backend::cuda {

/// Four pairs of bfloat16, one in each word.
struct Bfloat16Pairs {
  std::uint32_t words[4];
};

/// The numbers of a word of Mxfp4Matrix, exactly. The bits of an E2M1 number become the lowest of the exponent and the
/// highest of the mantissa of a bfloat16, which is then the number times 2^-126, a subnormal one where the number is:
/// eleven integer instructions and four multiplications for eight numbers. Looking their bytes up in a register (PTX's
/// prmt) takes nineteen, and at 3.3 TB/s there is time for no more than seventeen on an H100.
GPU_DEVICE Bfloat16Pairs decode_mxfp4(std::uint32_t word) {
  constexpr std::uint32_t kSigns = 0x80008000;
  constexpr std::uint32_t kExponents = 0x01800180;
  constexpr std::uint32_t kMantissas = 0x00400040;
  constexpr std::uint32_t kNumbers = kSigns | kExponents | kMantissas;
  constexpr std::uint32_t kTwoTo126 = 0x7E807E80;
  const auto scaled = [](std::uint32_t pair) { return ptx::multiply_bfloat16_pairs(pair, kTwoTo126); };
  return {{scaled(word & kNumbers), scaled(word << 3 & kNumbers), scaled(word << 6 & kNumbers),
           scaled((word << 5 & kSigns) | (word >> 6 & kExponents) | (word >> 5 & kMantissas))}};
}

/// 2^(scale - 127); infinity for 255, which the standard calls NaN.
GPU_DEVICE float decode_e8m0(std::uint32_t scale) {
  constexpr std::uint32_t kTwoToMinus127 = 1U << 22;
  return std::bit_cast<float>(scale == 0 ? kTwoToMinus127 : scale << 23);
}

/// An Mxfp4Matrix. Scales multiply the sums of the blocks rather than the numbers: that is exact for every scale, and
/// no more work for few tokens.
struct Mxfp4Weights {
  const std::uint32_t* words;
  const std::uint32_t* scales;
  Mxfp4Matrix matrix;

  /// The lane's parts of 128 columns of rows `tile` · 16 + lane / 4, and eight below. Behind the last tile there is the
  /// last again, whose results are dropped.
  struct Chunk {
    ptx::SixteenBytes<std::uint32_t> halves[2];
    std::uint32_t scales[2];
  };

  /// What the warp multiplies with 32 columns of activations.
  struct Block {
    ptx::MatrixA halves[2];
    float scales[2];
  };

  GPU_DEVICE Chunk load(std::int64_t tile, int chunk) const {
    if (tile >= matrix.tiles()) tile = matrix.tiles() - 1;
    const std::int64_t index = tile * matrix.chunks() + chunk;
    const std::uint32_t* half = words + index * 256 + ptx::lane_index() * 4;
    const std::uint32_t* scale = scales + index * 16 + ptx::lane_index() / 4;
    return {{ptx::stream_16_bytes<std::uint32_t>(half), ptx::stream_16_bytes<std::uint32_t>(half + 128)},
            {scale[0], scale[8]}};
  }

  GPU_DEVICE static Block block(const Chunk& chunk, int index) {
    const Bfloat16Pairs upper = decode_mxfp4(chunk.halves[0].values[index]);
    const Bfloat16Pairs lower = decode_mxfp4(chunk.halves[1].values[index]);
    const auto scale = [&](int half) { return decode_e8m0(chunk.scales[half] >> 8 * index & 0xFF); };
    return {{{{upper.words[0], lower.words[0], upper.words[1], lower.words[1]}},
             {{upper.words[2], lower.words[2], upper.words[3], lower.words[3]}}},
            {scale(0), scale(1)}};
  }

  GPU_DEVICE static void multiply(ptx::MatrixC& sum, const Block& block, const ptx::SixteenBytes<std::uint32_t>& x) {
    ptx::MatrixC unscaled = {};
    ptx::multiply_add(unscaled, block.halves[0], {{x.values[0], x.values[1]}});
    ptx::multiply_add(unscaled, block.halves[1], {{x.values[2], x.values[3]}});
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) sum.values[i] = fmaf(block.scales[i / 2], unscaled.values[i], sum.values[i]);
  }
};

}  // namespace gpuinfer::backend::cuda
