// Packing on the host.
#include "runtime/backend/cuda/mxfp4.hpp"

#include <algorithm>

namespace gpuinfer::backend::cuda {
namespace {

constexpr std::int64_t kChunkBlocks = 4;
constexpr std::int64_t kBlockColumns = 32;
constexpr std::int64_t kBlockBytes = 16;
/// A block's columns are shared by the four lanes of a row.
constexpr std::int64_t kLanes = 4;
constexpr std::int64_t kLaneBytes = kBlockBytes / kLanes;

/// The bits of E2M1: sign, two of exponent, one of mantissa.
std::uint32_t place(unsigned number, const Mxfp4Bits& bits) {
  return (number >> 3) << bits.sign | (number >> 1 & 3) << bits.exponent | (number & 1) << bits.mantissa;
}

std::uint32_t pack_word(std::span<const std::byte> pairs) {
  std::uint32_t word = 0;
  for (std::size_t pair = 0; pair < pairs.size(); ++pair) {
    const auto byte = std::to_integer<unsigned>(pairs[pair]);
    word |= place(byte & 15, kMxfp4Bits[pair]) | place(byte >> 4, kMxfp4Bits[pair]) << 16;
  }
  return word;
}

}  // namespace

void pack_mxfp4_numbers(const Mxfp4Matrix& matrix, std::int64_t row, std::span<const std::byte> blocks,
                        std::span<std::uint32_t> words) {
  const std::int64_t row_blocks = matrix.columns / kBlockColumns;
  const std::int64_t tile_row = row % Mxfp4Matrix::kTileRows;
  for (std::int64_t block = 0; block < matrix.chunks() * kChunkBlocks; ++block) {
    const std::int64_t chunk = row / Mxfp4Matrix::kTileRows * matrix.chunks() + block / kChunkBlocks;
    const std::int64_t first_word = ((chunk * 2 + tile_row / 8) * 32 + tile_row % 8 * kLanes) * kChunkBlocks;
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const auto from = static_cast<std::size_t>(block * kBlockBytes + lane * kLaneBytes);
      words[static_cast<std::size_t>(first_word + lane * kChunkBlocks + block % kChunkBlocks)] =
          block < row_blocks ? pack_word(blocks.subspan(from, kLaneBytes)) : 0;
    }
  }
}

void pack_mxfp4_scales(const Mxfp4Matrix& matrix, std::int64_t row, std::span<const std::byte> scales,
                       std::span<std::uint32_t> scale_words) {
  for (std::int64_t chunk = 0; chunk < matrix.chunks(); ++chunk) {
    std::uint32_t word = 0;
    for (std::int64_t b = 0; b < std::min(kChunkBlocks, std::ssize(scales) - chunk * kChunkBlocks); ++b) {
      word |= std::to_integer<std::uint32_t>(scales[static_cast<std::size_t>(chunk * kChunkBlocks + b)]) << 8 * b;
    }
    const std::int64_t place = row / Mxfp4Matrix::kTileRows * matrix.chunks() + chunk;
    scale_words[static_cast<std::size_t>(place * Mxfp4Matrix::kTileRows + row % Mxfp4Matrix::kTileRows)] = word;
  }
}

}  // namespace gpuinfer::backend::cuda
