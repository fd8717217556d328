// MXFP4 on its way to the tensor cores: every number in every place, every scale.
#include "runtime/backend/cuda/mxfp4.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "runtime/backend/cuda/mxfp4_weights.cuh"

namespace gpuinfer::backend::cuda {
namespace {

/// OCP Microscaling Formats v1.0, table 5.
constexpr float kE2m1[16] = {0,    0.5F,  1,  1.5F,  2,  3,  4,  6,  //
                             -0.F, -0.5F, -1, -1.5F, -2, -3, -4, -6};

struct Packed {
  std::vector<std::uint32_t> words;
  std::vector<std::uint32_t> scale_words;
};

Packed pack_row(const Mxfp4Matrix& matrix, std::int64_t row, const std::vector<std::byte>& blocks,
                const std::vector<std::byte>& scales) {
  Packed packed{std::vector<std::uint32_t>(static_cast<std::size_t>(matrix.words()), 0xFFFFFFFF),
                std::vector<std::uint32_t>(static_cast<std::size_t>(matrix.scale_words()), 0xFFFFFFFF)};
  pack_mxfp4_numbers(matrix, row, blocks, packed.words);
  pack_mxfp4_scales(matrix, row, scales, packed.scale_words);
  return packed;
}

TEST_CASE("every number is decoded exactly in each of the eight places of a word") {
  const Mxfp4Matrix matrix{.rows = 1, .columns = 32};
  for (unsigned number = 0; number < 16; ++number) {
    // The number in all places, and in one place at a time among zeros.
    for (unsigned places = 0; places < 9; ++places) {
      const auto expected = [&](unsigned column) { return places == 8 || column % 8 == places ? kE2m1[number] : 0.0F; };
      std::vector<std::byte> blocks(16);
      for (unsigned column = 0; column < 32; ++column) {
        if (places == 8 || column % 8 == places) blocks[column / 2] |= static_cast<std::byte>(number << column % 2 * 4);
      }
      const Packed packed = pack_row(matrix, 0, blocks, {std::byte{127}});
      for (unsigned lane = 0; lane < 4; ++lane) {
        const Bfloat16Pairs pairs = decode_mxfp4(packed.words[lane * 4]);
        for (unsigned i = 0; i < 8; ++i) {
          const std::uint32_t bits = pairs.words[i / 2] >> i % 2 * 16 << 16;
          CHECK(bits == std::bit_cast<std::uint32_t>(expected(lane * 8 + i)));
        }
      }
    }
  }
}

TEST_CASE("a row's words lie where its lanes load them, the columns behind the last are zero") {
  const Mxfp4Matrix matrix{.rows = 30, .columns = 160};
  CHECK(matrix.tiles() == 2);
  CHECK(matrix.chunks() == 2);
  std::vector<std::byte> blocks(5 * 16);
  blocks[3 * 16 + 9] = std::byte{0x02};  // column 3 · 32 + 18, a one: of block 3 the third of lane 2
  blocks[4 * 16] = std::byte{0x0A};      // column 128, minus one: in the second chunk
  const Packed packed =
      pack_row(matrix, 27, blocks, {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}, std::byte{5}});
  // Row 27 is row 3 of the lower half of tile 1.
  const std::size_t first_chunk = 2;
  const std::size_t second_chunk = 3;
  const auto word = [&](std::size_t chunk, std::size_t part, std::size_t block) {
    return packed.words[(chunk * 2 + 1) * 128 + (3 * 4 + part) * 4 + block];
  };
  for (std::size_t part = 0; part < 4; ++part) {
    for (std::size_t block = 0; block < 4; ++block) {
      CHECK(word(first_chunk, part, block) == (part == 2 && block == 3 ? 1U << kMxfp4Bits[1].exponent : 0));
      const std::uint32_t minus_one = 1U << kMxfp4Bits[0].sign | 1U << kMxfp4Bits[0].exponent;
      CHECK(word(second_chunk, part, block) == (part == 0 && block == 0 ? minus_one : 0));
    }
  }
  CHECK(packed.scale_words[first_chunk * 16 + 11] == 0x04030201);
  CHECK(packed.scale_words[second_chunk * 16 + 11] == 0x00000005);
  CHECK(std::ranges::count(packed.words, 0xFFFFFFFF) == matrix.words() - 32);
  CHECK(std::ranges::count(packed.scale_words, 0xFFFFFFFF) == matrix.scale_words() - 2);
}

TEST_CASE("every scale is decoded exactly") {
  for (int scale = 0; scale < 255; ++scale) {
    CHECK(decode_e8m0(static_cast<std::uint32_t>(scale)) == std::ldexp(1.0F, scale - 127));
  }
  CHECK(decode_e8m0(255) == std::numeric_limits<float>::infinity());
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
