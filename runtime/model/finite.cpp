// Exponents that are all ones.
#include "runtime/model/finite.hpp"

#include <cstring>
#include <span>

#include "base/error.hpp"

namespace gpuinfer::model {
namespace {

/// Has the sign bit set where all bits of `exponent` are set in the number at `bytes`: adding the lowest of them
/// carries into it. So one mask, one addition and one OR suffice for each number, and only the OR of all is looked at.
template <typename Bits, Bits exponent>
Bits carry_of(const std::byte* bytes) {
  constexpr Bits kLowest = exponent & static_cast<Bits>(~exponent + 1U);
  static_assert(static_cast<Bits>(exponent + kLowest) == Bits{1} << (8 * sizeof(Bits) - 1));
  Bits bits;
  std::memcpy(&bits, bytes, sizeof bits);
  return static_cast<Bits>((bits & exponent) + kLowest);
}

template <typename Bits>
bool has_sign(Bits carry) {
  return carry >> (8 * sizeof(Bits) - 1) != 0;
}

template <typename Bits, Bits exponent>
bool any_not_finite(std::span<const std::byte> row) {
  Bits carry = 0;
  for (std::size_t i = 0; i < row.size(); i += sizeof(Bits)) carry |= carry_of<Bits, exponent>(&row[i]);
  return has_sign(carry);
}

constexpr std::uint16_t kFloat16Exponent = 0x7C00;

/// Blocks of `block_size` bytes with float16 numbers at `places`.
template <std::int64_t block_size, std::int64_t... places>
bool any_scale_not_finite(std::span<const std::byte> row) {
  std::uint16_t carry = 0;
  const std::byte* const end = row.data() + row.size();
  for (const std::byte* block = row.data(); block != end; block += block_size) {
    ((carry |= carry_of<std::uint16_t, kFloat16Exponent>(block + places)), ...);
  }
  return has_sign(carry);
}

/// Every `step`th byte is the exponent of a block; 255 stands for NaN.
bool any_e8m0_nan(std::span<const std::byte> bytes, std::size_t step) {
  bool found = false;
  for (std::size_t i = 0; i < bytes.size(); i += step) found |= bytes[i] == std::byte{255};
  return found;
}

bool row_is_finite(const Tensor& tensor, std::int64_t index) {
  const std::span<const std::byte> row = tensor.row(index);
  switch (tensor.type) {
    case DataType::kF32:
      return !any_not_finite<std::uint32_t, 0x7F800000>(row);
    case DataType::kF16:
      return !any_not_finite<std::uint16_t, kFloat16Exponent>(row);
    case DataType::kBF16:
      return !any_not_finite<std::uint16_t, 0x7F80>(row);
    case DataType::kQ4_0:
      return !any_scale_not_finite<18, 0>(row);
    case DataType::kQ4_1:
      return !any_scale_not_finite<20, 0, 2>(row);
    case DataType::kQ5_0:
      return !any_scale_not_finite<22, 0>(row);
    case DataType::kQ5_1:
      return !any_scale_not_finite<24, 0, 2>(row);
    case DataType::kQ8_0:
      return !any_scale_not_finite<34, 0>(row);
    case DataType::kQ4_K:
      return !any_scale_not_finite<144, 0, 2>(row);
    case DataType::kQ5_K:
      return !any_scale_not_finite<176, 0, 2>(row);
    case DataType::kQ6_K:
      return !any_scale_not_finite<210, 208>(row);
    case DataType::kMxfp4Ggml:
      return !any_e8m0_nan(row, static_cast<std::size_t>(block_bytes(tensor.type)));
    case DataType::kMxfp4:
      return !any_e8m0_nan(tensor.row_scales(index), 1);
    case DataType::kU8:
      return true;
  }
  return true;
}

}  // namespace

void check_finite(const Tensor& tensor, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    if (row_is_finite(tensor, row)) continue;
    throw Error("tensor '" + tensor.name + "' holds NaN or infinity in row " + std::to_string(row),
                "The file is damaged, or the model was saved after its training had failed. Fetch it again.");
  }
}

void check_finite(const Tensor& tensor) {
  if (!tensor.empty()) check_finite(tensor, 0, tensor.rows());
}

}  // namespace gpuinfer::model
