// A weight rearranged so that one SIMD lane computes one output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/model/tensor.hpp"

namespace gpuinfer::backend {

/// The type that says how weights of `type` are packed. Both layouts of MXFP4 become kMxfp4; all others keep theirs.
model::DataType packed_type(model::DataType type);

/// What a block of a row consists of once it is packed, in this order: `halves` units of 2 bytes (a scale, a minimum),
/// then for each run of 32 columns `bytes` units of one byte (small scales) and `words` units of 4 bytes (values). A
/// float is a block by itself.
///
/// Word j of Q8_0 has columns 4j..4j+3. In the other types the last four words have nibbles: word j has columns
/// 4j..4j+3 in the low ones of its bytes and 16+4j..16+4j+3 in the high ones. Before them Q5 has a word of fifth bits,
/// whose byte c serves columns c, 4+c, 8+c ..., from the lowest bit up; Q6_K has two words of pairs of bits, of columns
/// 0..15 and 16..31, in the same order.
struct PackedBlock {
  std::int64_t halves = 0;
  std::int64_t runs = 0;
  std::int64_t bytes = 0;
  std::int64_t words = 0;

  constexpr std::int64_t run_size() const { return bytes + 4 * words; }
  constexpr std::int64_t size() const { return 2 * halves + runs * run_size(); }
};

/// `type` is a packed_type().
constexpr PackedBlock packed_block(model::DataType type) {
  using model::DataType;
  switch (type) {
    case DataType::kF32:
      return {.halves = 0, .runs = 1, .bytes = 0, .words = 1};
    case DataType::kF16:
    case DataType::kBF16:
      return {.halves = 1};
    case DataType::kQ4_0:
      return {.halves = 1, .runs = 1, .bytes = 0, .words = 4};
    case DataType::kQ4_1:
      return {.halves = 2, .runs = 1, .bytes = 0, .words = 4};
    case DataType::kQ5_0:
      return {.halves = 1, .runs = 1, .bytes = 0, .words = 5};
    case DataType::kQ5_1:
      return {.halves = 2, .runs = 1, .bytes = 0, .words = 5};
    case DataType::kQ8_0:
      return {.halves = 1, .runs = 1, .bytes = 0, .words = 8};
    case DataType::kQ4_K:
      return {.halves = 2, .runs = 8, .bytes = 2, .words = 4};
    case DataType::kQ5_K:
      return {.halves = 2, .runs = 8, .bytes = 2, .words = 5};
    case DataType::kQ6_K:
      return {.halves = 1, .runs = 8, .bytes = 2, .words = 6};
    case DataType::kMxfp4:
      return {.halves = 0, .runs = 1, .bytes = 1, .words = 4};
    default:
      return {};
  }
}

/// Groups of `group_rows` rows are stored together, block by block; within a block, each unit lies side by side for all
/// rows of the group. Lane i of every vector load then belongs to row i, no sum ever crosses lanes, and each output is
/// accumulated in the order of its columns, whatever else is computed beside it. It takes as many bytes as the original
/// (Q4_K and Q5_K 2 to 3 % more: their small scales have bytes of their own); rows that fill up the last group are
/// zero.
struct PackedMatrix {
  model::DataType type = model::DataType::kF32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t group_rows = 0;
  std::span<const std::byte> bytes;

  std::int64_t groups() const { return (rows + group_rows - 1) / group_rows; }
  /// Blocks of a row.
  std::int64_t blocks() const { return columns / model::block_elements(type); }
  std::int64_t group_bytes() const { return blocks() * group_rows * packed_block(type).size(); }
  std::size_t bytes_needed() const { return static_cast<std::size_t>(groups() * group_bytes()); }
  const std::byte* group(std::int64_t index) const { return bytes.data() + index * group_bytes(); }
};

/// A matrix of the shape and kind of `tensor`, still without bytes.
PackedMatrix plan_packing(const model::Tensor& tensor, std::int64_t group_rows);

/// Writes the groups [begin, end) of `tensor` into `bytes`, the (zeroed) memory of `packed`.
void pack_groups(const model::Tensor& tensor, const PackedMatrix& packed, std::int64_t begin, std::int64_t end,
                 std::span<std::byte> bytes);

}  // namespace gpuinfer::backend
