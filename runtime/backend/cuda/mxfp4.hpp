// MXFP4 weights in the order in which a GPU reads them (OCP Microscaling Formats v1.0: 32 E2M1 numbers share an E8M0
// scale).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gpuinfer::backend::cuda {

/// A matrix is cut into tiles of 16 rows, and those into chunks of 128 columns; columns behind the last are zero. A
/// warp loads a chunk as 2 · 512 consecutive bytes, half h (rows 0 to 7, then 8 to 15) of it by lane 4·r + c as four
/// words: word b has the columns 32·b + 8·c to 32·b + 8·c + 7 of row 8·h + r, the lane's part of block b. The scales of
/// a row's four blocks are one word.
///
/// The eight numbers of a word are four pairs for the tensor cores: the first of each pair lies in the word's lower
/// half, the second in its upper half, the sign and the three other bits of each where kMxfp4Bits says: a shift and a
/// mask bring them to the place that they have in a bfloat16.
struct Mxfp4Matrix {
  static constexpr std::int64_t kTileRows = 16;

  std::int64_t rows = 0;
  std::int64_t columns = 0;  ///< a multiple of 32

  constexpr std::int64_t tiles() const { return (rows + kTileRows - 1) / kTileRows; }
  constexpr std::int64_t chunks() const { return (columns + 127) / 128; }
  /// Words of numbers, and of scales, those of the rows that fill the last tile included.
  constexpr std::int64_t words() const { return tiles() * chunks() * 2 * 32 * 4; }
  constexpr std::int64_t scale_words() const { return tiles() * chunks() * kTileRows; }
};

/// Where a number of pair p is in its half of a word: its sign, its two bits of exponent, its bit of mantissa.
struct Mxfp4Bits {
  int sign;
  int exponent;  ///< the lower of two
  int mantissa;
};
inline constexpr Mxfp4Bits kMxfp4Bits[4] = {{15, 7, 6}, {12, 4, 3}, {9, 1, 0}, {10, 13, 11}};

/// Packs the numbers of one row from the layout of gpt-oss's safetensors: `blocks` are [columns / 32, 16], each byte a
/// column in its low four bits and the next in its high ones. `words` are the whole matrix's; rows touch no words in
/// common, so threads can share the work.
void pack_mxfp4_numbers(const Mxfp4Matrix& matrix, std::int64_t row, std::span<const std::byte> blocks,
                        std::span<std::uint32_t> words);

/// Packs the scales of one row, [columns / 32], into the whole matrix's words of scales.
void pack_mxfp4_scales(const Mxfp4Matrix& matrix, std::int64_t row, std::span<const std::byte> scales,
                       std::span<std::uint32_t> scale_words);

}  // namespace gpuinfer::backend::cuda
