// Transposing the units of a block across the rows of a group.
#include "runtime/backend/cpu/packed_matrix.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "runtime/model/quantized_block.hpp"

namespace gpuinfer::backend {
namespace {

using model::DataType;

/// A block is scales of 2 bytes (the scale, and the minimum if there is one), then values. For the quantised types four
/// bytes of values stay together, the two in the middle exchanged: the low bytes of a word's two 16-bit halves are then
/// neighbours in the row, and so are the high bytes. Word j of Q4 and of MXFP4 holds columns 4j..4j+3 in its low
/// nibbles and 16+4j..16+4j+3 in its high ones.
constexpr std::int64_t kScaleBytes = 2;

struct BlockUnits {
  std::int64_t scales;
  std::int64_t value_bytes;
  std::int64_t values;
};

BlockUnits units_of(DataType type) {
  switch (type) {
    case DataType::kF32:
      return {0, 4, 1};
    case DataType::kF16:
    case DataType::kBF16:
      return {0, 2, 1};
    case DataType::kQ4_0:
    case DataType::kMxfp4:
      return {1, 4, 4};
    case DataType::kQ4_1:
      return {2, 4, 4};
    case DataType::kQ8_0:
      return {1, 4, 8};
    case DataType::kU8:
      break;
  }
  return {};
}

/// Units of `size` bytes from `source`, `stride` bytes apart at the destination.
template <std::size_t size>
void spread(const std::byte*& source, std::int64_t count, std::byte* destination, std::int64_t stride) {
  for (std::int64_t i = 0; i < count; ++i)
    std::memcpy(destination + i * stride, source + i * static_cast<std::int64_t>(size), size);
  source += count * static_cast<std::int64_t>(size);
}

void spread_words(const std::byte*& source, std::int64_t count, std::byte* destination, std::int64_t stride) {
  for (std::int64_t i = 0; i < count; ++i, source += 4) {
    const std::array<std::byte, 4> word = {source[0], source[2], source[1], source[3]};
    std::memcpy(destination + i * stride, word.data(), word.size());
  }
}

/// {BF16 scale; nibbles as in Q4}. The scale is that of doubled values: 2^(scale - 128).
std::array<std::byte, 18> as_q4(const std::byte* mxfp4, std::byte scale) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(model::unpack_mxfp4_block(mxfp4, scale).scale) >> 16;
  std::array<std::byte, 18> block = {std::byte(bits & 255), std::byte(bits >> 8)};
  const auto code = [&](std::size_t element) {
    return element % 2 == 0 ? mxfp4[element / 2] & std::byte{15} : mxfp4[element / 2] >> 4;
  };
  for (std::size_t i = 0; i < 16; ++i) block[2 + i] = code(i) | code(i + 16) << 4;
  return block;
}

void pack_row(const model::Tensor& tensor, std::int64_t index, std::int64_t lanes, std::byte* group) {
  const DataType type = tensor.type;
  const std::int64_t lane = index % lanes;
  const BlockUnits units = units_of(type);
  const std::span<const std::byte> row = tensor.row(index);
  const std::byte* const end = row.data() + row.size();
  const std::byte* scales = type == DataType::kMxfp4 ? tensor.row_scales(index).data() : nullptr;
  for (const std::byte* next = row.data(); next != end; group += lanes * packed_block_bytes(type)) {
    const std::byte* source = next;
    next += model::block_bytes(type);
    std::array<std::byte, 18> converted;
    if (type == DataType::kMxfp4) {
      converted = as_q4(source, *scales++);
      source = converted.data();
    }
    spread<kScaleBytes>(source, units.scales, group + lane * kScaleBytes, lanes * kScaleBytes);
    std::byte* const values = group + units.scales * lanes * kScaleBytes + lane * units.value_bytes;
    if (model::is_quantized(type)) {
      spread_words(source, units.values, values, lanes * 4);
    } else if (units.value_bytes == 4) {
      spread<4>(source, units.values, values, lanes * 4);
    } else {
      spread<2>(source, units.values, values, lanes * 2);
    }
  }
}

}  // namespace

std::int64_t packed_block_bytes(DataType type) {
  const BlockUnits units = units_of(type);
  return units.scales * kScaleBytes + units.values * units.value_bytes;
}

std::size_t packed_bytes(const model::Tensor& tensor, std::int64_t lanes) {
  const std::int64_t row_bytes =
      tensor.columns() / model::block_elements(tensor.type) * packed_block_bytes(tensor.type);
  return static_cast<std::size_t>((tensor.rows() + lanes - 1) / lanes * lanes * row_bytes);
}

void pack_groups(const model::Tensor& tensor, std::int64_t lanes, std::int64_t begin, std::int64_t end,
                 std::span<std::byte> bytes) {
  const std::int64_t group_bytes =
      tensor.columns() / model::block_elements(tensor.type) * packed_block_bytes(tensor.type) * lanes;
  const std::int64_t last = std::min(end * lanes, tensor.rows());
  for (std::int64_t row = begin * lanes; row < last; ++row) {
    pack_row(tensor, row, lanes, bytes.data() + row / lanes * group_bytes);
  }
}

}  // namespace gpuinfer::backend
