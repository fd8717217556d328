// Types, shapes and dequantisation of stored tensors.
#include "runtime/model/tensor.hpp"

#include <cstring>
#include <numeric>

#include "runtime/model/half.hpp"
#include "runtime/model/quantized_block.hpp"

namespace gpuinfer::model {
namespace {

/// What is fixed about a type.
struct TypeProperties {
  std::string_view name;
  std::int64_t block_elements;
  std::int64_t block_bytes;
};

TypeProperties properties(DataType type) {
  switch (type) {
    case DataType::kF32:
      return {"F32", 1, 4};
    case DataType::kF16:
      return {"F16", 1, 2};
    case DataType::kBF16:
      return {"BF16", 1, 2};
    case DataType::kQ4_0:
      return {"Q4_0", 32, 2 + 16};
    case DataType::kQ4_1:
      return {"Q4_1", 32, 2 + 2 + 16};
    case DataType::kQ5_0:
      return {"Q5_0", 32, 2 + 4 + 16};
    case DataType::kQ5_1:
      return {"Q5_1", 32, 2 + 2 + 4 + 16};
    case DataType::kQ8_0:
      return {"Q8_0", 32, 2 + 32};
    case DataType::kQ4_K:
      return {"Q4_K", 256, 2 + 2 + 12 + 128};
    case DataType::kQ5_K:
      return {"Q5_K", 256, 2 + 2 + 12 + 32 + 128};
    case DataType::kQ6_K:
      return {"Q6_K", 256, 128 + 64 + 16 + 2};
    case DataType::kMxfp4Ggml:
      return {"MXFP4", 32, 1 + 16};
    case DataType::kMxfp4:
      return {"MXFP4", 32, 16};
    case DataType::kU8:
      return {"U8", 1, 1};
  }
  return {"?", 1, 0};
}

void dequantize_block(const QuantizedBlock& block, float* out) {
  for (std::size_t i = 0; i < block.values.size(); ++i) {
    out[i] = block.scales[i / 16] * static_cast<float>(block.values[i]) + block.minimum;
  }
}

void dequantize_mxfp4_row(const std::byte* bytes, std::span<const std::byte> scales, std::span<float> out) {
  float* next = out.data();
  for (const std::byte scale : scales) {
    dequantize_block(unpack_mxfp4_block(bytes, scale), next);
    bytes += block_bytes(DataType::kMxfp4);
    next += kQuantizedBlockElements;
  }
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

std::string_view name(DataType type) { return properties(type).name; }

bool is_quantized(DataType type) { return block_elements(type) > 1; }

std::int64_t block_elements(DataType type) { return properties(type).block_elements; }

std::int64_t block_bytes(DataType type) { return properties(type).block_bytes; }

std::int64_t Tensor::rows() const {
  if (shape.empty()) return 1;
  return std::accumulate(shape.begin(), shape.end() - 1, std::int64_t{1}, std::multiplies<>());
}

std::int64_t Tensor::columns() const { return shape.empty() ? 1 : shape.back(); }

std::int64_t Tensor::row_bytes() const { return columns() / block_elements(type) * block_bytes(type); }

std::int64_t Tensor::stored_bytes() const {
  if (empty()) return 0;
  return rows() * (row_bytes() + (scales.empty() ? 0 : std::ssize(row_scales(0))));
}

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
  if (tensor.type == DataType::kMxfp4) return dequantize_mxfp4_row(bytes, tensor.row_scales(index), out);
  const std::int64_t runs = block_elements(tensor.type) / kQuantizedBlockElements;
  for (float* next = out.data(); next != out.data() + out.size(); bytes += block_bytes(tensor.type)) {
    for (std::int64_t run = 0; run < runs; ++run, next += kQuantizedBlockElements) {
      dequantize_block(unpack_block(tensor.type, bytes, run), next);
    }
  }
}

}  // namespace gpuinfer::model
