// Types, shapes and dequantisation of stored tensors.
#include "runtime/model/tensor.hpp"

#include <cstring>
#include <numeric>

#include "runtime/model/half.hpp"
#include "runtime/model/quantized_block.hpp"

namespace gpuinfer::model {
namespace {

void dequantize_block(const QuantizedBlock& block, float* out) {
  for (const std::int8_t value : block.values) *out++ = block.scale * static_cast<float>(value) + block.minimum;
}

void convert_row(DataType type, const std::byte* bytes, std::span<float> out) {
  for (float& element : out) {
    if (type == DataType::kF32) {
      std::memcpy(&element, bytes, sizeof element);
    } else {
      std::uint16_t bits;
      std::memcpy(&bits, bytes, sizeof bits);
      element = type == DataType::kF16 ? from_float16(bits) : from_bfloat16(bits);
    }
    bytes += block_bytes(type);
  }
}

}  // namespace

std::string_view name(DataType type) {
  switch (type) {
    case DataType::kF32:
      return "F32";
    case DataType::kF16:
      return "F16";
    case DataType::kBF16:
      return "BF16";
    case DataType::kQ4_0:
      return "Q4_0";
    case DataType::kQ4_1:
      return "Q4_1";
    case DataType::kQ8_0:
      return "Q8_0";
    case DataType::kMxfp4:
      return "MXFP4";
    case DataType::kU8:
      return "U8";
  }
  return "?";
}

bool is_quantized(DataType type) { return block_elements(type) > 1; }

std::int64_t block_elements(DataType type) {
  switch (type) {
    case DataType::kF32:
    case DataType::kF16:
    case DataType::kBF16:
    case DataType::kU8:
      return 1;
    case DataType::kQ4_0:
    case DataType::kQ4_1:
    case DataType::kQ8_0:
    case DataType::kMxfp4:
      return kQuantizedBlockElements;
  }
  return 1;
}

std::int64_t block_bytes(DataType type) {
  switch (type) {
    case DataType::kF32:
      return 4;
    case DataType::kF16:
    case DataType::kBF16:
      return 2;
    case DataType::kQ4_0:
      return 2 + 16;
    case DataType::kQ4_1:
      return 4 + 16;
    case DataType::kQ8_0:
      return 2 + 32;
    case DataType::kMxfp4:
      return 16;
    case DataType::kU8:
      return 1;
  }
  return 0;
}

std::int64_t Tensor::rows() const {
  if (shape.empty()) return 1;
  return std::accumulate(shape.begin(), shape.end() - 1, std::int64_t{1}, std::multiplies<>());
}

std::int64_t Tensor::columns() const { return shape.empty() ? 1 : shape.back(); }

std::int64_t Tensor::row_bytes() const { return columns() / block_elements(type) * block_bytes(type); }

std::span<const std::byte> Tensor::row(std::int64_t index) const {
  return bytes.subspan(static_cast<std::size_t>(index * row_step * row_bytes()), static_cast<std::size_t>(row_bytes()));
}

std::span<const std::byte> Tensor::row_scales(std::int64_t index) const {
  const std::int64_t blocks = columns() / kQuantizedBlockElements;
  return scales.subspan(static_cast<std::size_t>(index * row_step * blocks), static_cast<std::size_t>(blocks));
}

void dequantize_row(const Tensor& tensor, std::int64_t index, std::span<float> out) {
  const std::byte* bytes = tensor.row(index).data();
  if (!is_quantized(tensor.type)) return convert_row(tensor.type, bytes, out);
  const bool is_mxfp4 = tensor.type == DataType::kMxfp4;
  const std::byte* scales = is_mxfp4 ? tensor.row_scales(index).data() : nullptr;
  for (std::size_t column = 0; column < out.size(); column += kQuantizedBlockElements) {
    dequantize_block(is_mxfp4 ? unpack_mxfp4_block(bytes, *scales++) : unpack_block(tensor.type, bytes), &out[column]);
    bytes += block_bytes(tensor.type);
  }
}

}  // namespace gpuinfer::model
