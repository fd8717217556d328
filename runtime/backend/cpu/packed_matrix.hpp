// A weight rearranged so that one SIMD lane computes one output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/model/tensor.hpp"

namespace gpuinfer::backend {

/// Bytes of one block of a row when it is packed.
std::int64_t packed_block_bytes(model::DataType type);

/// Groups of `lanes` rows are stored together. A group is a sequence of blocks of 32 columns (quantised types) or
/// single columns (float types); within a block, the small units that one lane handles at a time (a scale, a minimum,
/// four bytes of values; a float) lie side by side for all rows of the group. Lane i of every vector load then belongs
/// to row i, no sum ever crosses lanes, and each output is accumulated in the order of its columns, whatever else is
/// computed beside it. It takes as many bytes as the original (MXFP4 one byte more for a block, whose scale becomes a
/// BF16); rows that fill up the last group are zero.
struct PackedMatrix {
  model::DataType type = model::DataType::kF32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t lanes = 0;
  std::span<const std::byte> bytes;

  std::int64_t groups() const { return (rows + lanes - 1) / lanes; }
  std::int64_t group_bytes() const { return columns / model::block_elements(type) * block_bytes(); }
  /// Of one block of all rows of a group.
  std::int64_t block_bytes() const { return lanes * packed_block_bytes(type); }
  const std::byte* group(std::int64_t index) const { return bytes.data() + index * group_bytes(); }
};

/// Bytes that `tensor` takes when packed for `lanes` lanes.
std::size_t packed_bytes(const model::Tensor& tensor, std::int64_t lanes);

/// Writes the groups [begin, end) of `tensor` into `bytes`, which is packed_bytes() long and zero.
void pack_groups(const model::Tensor& tensor, std::int64_t lanes, std::int64_t begin, std::int64_t end,
                 std::span<std::byte> bytes);

}  // namespace gpuinfer::backend
