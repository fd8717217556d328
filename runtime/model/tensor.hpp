// A tensor as it lies in a file: its type, its shape and its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpuinfer::model {

/// How elements are stored. The quantised ones pack blocks of consecutive elements of a row in ggml's layouts
/// (ggml-common.h): 32 elements in Q4_0 {f16 d; u8 qs[16]}, Q4_1 {f16 d, m; u8 qs[16]}, Q5_0 {f16 d; u8 qh[4]; u8
/// qs[16]}, Q5_1 {f16 d, m; u8 qh[4]; u8 qs[16]}, Q8_0 {f16 d; i8 qs[32]} and ggml's MXFP4 {u8 e; u8 qs[16]}, 256 in
/// the K types (quantized_block.cpp). kMxfp4 is the OCP Microscaling format as gpt-oss's safetensors have it: 16 bytes
/// of E2M1 elements, the even ones in the low nibbles, and the E8M0 scale of each block apart. U8 are bytes that mean
/// something only together with other tensors.
enum class DataType {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kMxfp4Ggml,
  kMxfp4,
  kU8
};

/// "F32", "Q4_1" ...
std::string_view name(DataType type);

/// True for the types that pack several elements with a shared scale.
bool is_quantized(DataType type);

/// Elements that are stored together: 1, or 32 or 256 for the quantised types.
std::int64_t block_elements(DataType type);

/// Bytes of one block.
std::int64_t block_bytes(DataType type);

/// A view; the Model that it came from owns the bytes. Row-major, the last dimension is the contiguous one: a weight of
/// a linear layer is [out_features, in_features], a vector is [n].
struct Tensor {
  DataType type = DataType::kF32;
  std::vector<std::int64_t> shape{};
  std::span<const std::byte> bytes{};
  /// Of kMxfp4: a byte for each block, laid out as the blocks are.
  std::span<const std::byte> scales{};
  /// Every row_step'th row of `bytes` belongs to this tensor: gpt-oss stores the rows of two tensors alternately.
  std::int64_t row_step = 1;
  /// What its file calls it, for messages.
  std::string name{};

  bool empty() const { return bytes.empty(); }

  /// Product of all dimensions but the last; 1 for a vector.
  std::int64_t rows() const;
  /// The last dimension.
  std::int64_t columns() const;
  std::int64_t row_bytes() const;
  /// What it takes in its file, scales included.
  std::int64_t stored_bytes() const;
  std::span<const std::byte> row(std::int64_t index) const;
  /// The scales of a row: [columns / 32].
  std::span<const std::byte> row_scales(std::int64_t index) const;
};

/// Row `index` of `tensor` as float32 into `out` ([columns]).
void dequantize_row(const Tensor& tensor, std::int64_t index, std::span<float> out);

}  // namespace gpuinfer::model
