// Transposing the units of a block across the rows of a group.
#include "runtime/backend/cpu/packed_matrix.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace gpuinfer::backend {
namespace {

using model::DataType;

/// A block is scales of 2 bytes (the scale, and the minimum if there is one), then values. For the quantised types four
/// bytes of values stay together, the two in the middle exchanged: the low bytes of a word's two 16-bit halves are then
/// neighbours in the row, and so are the high bytes. Word j of Q4 holds columns 4j..4j+3 in its low nibbles and
/// 16+4j..16+4j+3 in its high ones.
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
      return {1, 4, 4};
    case DataType::kQ4_1:
      return {2, 4, 4};
    case DataType::kQ8_0:
      return {1, 4, 8};
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

void pack_row(std::span<const std::byte> row, DataType type, std::int64_t lane, std::int64_t lanes, std::byte* group) {
  constexpr std::int64_t kScaleBytes = 2;
  const BlockUnits units = units_of(type);
  const std::int64_t block_bytes = model::block_bytes(type);
  const std::byte* const end = row.data() + row.size();
  for (const std::byte* source = row.data(); source != end; group += lanes * block_bytes) {
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

std::size_t packed_bytes(const model::Tensor& tensor, std::int64_t lanes) {
  return static_cast<std::size_t>((tensor.rows() + lanes - 1) / lanes * lanes * tensor.row_bytes());
}

void pack_groups(const model::Tensor& tensor, std::int64_t lanes, std::int64_t begin, std::int64_t end,
                 std::span<std::byte> bytes) {
  const std::int64_t last = std::min(end * lanes, tensor.rows());
  for (std::int64_t row = begin * lanes; row < last; ++row) {
    std::byte* const group = bytes.data() + row / lanes * lanes * tensor.row_bytes();
    pack_row(tensor.row(row), tensor.type, row % lanes, lanes, group);
  }
}

}  // namespace gpuinfer::backend
