// Transposing the units of a block across the rows of a group.
#include "runtime/backend/cpu/packed_matrix.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "runtime/model/half.hpp"
#include "runtime/model/quantized_block.hpp"

namespace gpuinfer::backend {
namespace {

using model::DataType;
using model::kQuantizedBlockElements;

/// Room for one packed block of one row of any type.
using RowBlock = std::array<std::byte, packed_block(DataType::kQ6_K).size()>;

/// Writes one block of one row.
class RowBlockWriter {
 public:
  explicit RowBlockWriter(RowBlock& block) : next_(block.data()) {}

  void copy(const std::byte* source, std::int64_t count) { next_ = std::copy_n(source, count, next_); }

  void put(std::byte byte) { *next_++ = byte; }

  /// `values` are 0..15 in their lower four bits.
  template <typename Values>
  void put_nibbles(const Values& values) {
    for (std::size_t i = 0; i < 16; ++i) {
      put(static_cast<std::byte>((values[i] & 15) | (values[i + 16] & 15) << 4));
    }
  }

  /// The `width` bits above the nibbles.
  template <int width, typename Values>
  void put_upper_bits(const Values& values) {
    constexpr std::size_t kPerByte = 8 / width;
    for (std::size_t word = 0; word < width; ++word) {
      for (std::size_t column = 0; column < 4; ++column) {
        int byte = 0;
        for (std::size_t i = 0; i < kPerByte; ++i) {
          const int upper = values[(word * kPerByte + i) * 4 + column] >> 4 & ((1 << width) - 1);
          byte |= upper << (i * width);
        }
        put(static_cast<std::byte>(byte));
      }
    }
  }

 private:
  std::byte* next_;
};

float load_float16(const std::byte* bytes) {
  std::uint16_t bits;
  std::memcpy(&bits, bytes, sizeof bits);
  return model::from_float16(bits);
}

/// The small integer by which a K type multiplies `unit` to get `scale`; both are exact in float32.
std::byte small_scale(float scale, float unit) {
  const bool has_quotient = unit != 0 && std::isfinite(unit);
  return static_cast<std::byte>(has_quotient ? static_cast<int>(scale / unit) : 0);
}

/// Q4_K and Q5_K: {f16 d, dmin}, then for each run its scale, its minimum and its values.
template <bool has_fifth_bits>
void arrange_k(DataType type, const std::byte* block, RowBlock& out) {
  RowBlockWriter writer(out);
  writer.copy(block, 4);
  const float scale_unit = load_float16(block);
  const float minimum_unit = load_float16(block + 2);
  for (std::int64_t run = 0; run < packed_block(DataType::kQ4_K).runs; ++run) {
    const model::QuantizedBlock unpacked = model::unpack_block(type, block, run);
    writer.put(small_scale(unpacked.scales[0], scale_unit));
    writer.put(small_scale(-unpacked.minimum, minimum_unit));
    if constexpr (has_fifth_bits) writer.put_upper_bits<1>(unpacked.values);
    writer.put_nibbles(unpacked.values);
  }
}

/// {f16 d}, then for each run its two scales and its values, 32 more than they are.
void arrange_q6_k(const std::byte* block, RowBlock& out) {
  constexpr std::int64_t kUnitOffset = 208;
  RowBlockWriter writer(out);
  writer.copy(block + kUnitOffset, 2);
  const float unit = load_float16(block + kUnitOffset);
  for (std::int64_t run = 0; run < packed_block(DataType::kQ6_K).runs; ++run) {
    model::QuantizedBlock unpacked = model::unpack_block(DataType::kQ6_K, block, run);
    for (const float scale : unpacked.scales) writer.put(small_scale(scale, unit));
    for (std::int8_t& value : unpacked.values) value = static_cast<std::int8_t>(value + 32);
    writer.put_upper_bits<2>(unpacked.values);
    writer.put_nibbles(unpacked.values);
  }
}

/// {f16 d, and m where `halves` is 2}, then the values.
void arrange_q5(DataType type, std::int64_t halves, const std::byte* block, RowBlock& out) {
  RowBlockWriter writer(out);
  writer.copy(block, 2 * halves);
  const model::QuantizedBlock unpacked = model::unpack_block(type, block);
  writer.put_upper_bits<1>(unpacked.values);
  writer.put_nibbles(unpacked.values);
}

/// The scale, then codes, of which safetensors have neighbours in one byte.
void arrange_mxfp4(const std::byte* codes, std::byte scale, RowBlock& out) {
  out[0] = scale;
  constexpr std::byte kLow{15};
  for (std::size_t i = 0; i < 8; ++i) {
    out[1 + 2 * i] = (codes[i] & kLow) | codes[i + 8] << 4;
    out[2 + 2 * i] = codes[i] >> 4 | (codes[i + 8] & ~kLow);
  }
}

/// The block at `block` in packed order: in `out`, or where it is if that is its order already.
template <DataType kStored>
const std::byte* arrange(const std::byte* block, const std::byte* scale, RowBlock& out) {
  if constexpr (kStored == DataType::kQ5_0) {
    arrange_q5(kStored, 1, block, out);
  } else if constexpr (kStored == DataType::kQ5_1) {
    arrange_q5(kStored, 2, block, out);
  } else if constexpr (kStored == DataType::kQ4_K) {
    arrange_k<false>(kStored, block, out);
  } else if constexpr (kStored == DataType::kQ5_K) {
    arrange_k<true>(kStored, block, out);
  } else if constexpr (kStored == DataType::kQ6_K) {
    arrange_q6_k(block, out);
  } else if constexpr (kStored == DataType::kMxfp4) {
    arrange_mxfp4(block, *scale, out);
  } else {
    return block;
  }
  return out.data();
}

/// Units of `size` bytes from `source`, `group_rows` units apart at the destination.
template <std::int64_t size>
void spread(const std::byte*& source, std::int64_t count, std::int64_t group_rows, std::byte* destination) {
  for (std::int64_t i = 0; i < count; ++i, source += size) {
    std::memcpy(destination + i * group_rows * size, source, size);
  }
}

/// Row `lane` of a group's block.
template <DataType kPacked>
void spread_block(const std::byte* row_block, std::int64_t lane, std::int64_t group_rows, std::byte* group_block) {
  constexpr PackedBlock kBlock = packed_block(kPacked);
  spread<2>(row_block, kBlock.halves, group_rows, group_block + 2 * lane);
  group_block += group_rows * 2 * kBlock.halves;
  for (std::int64_t run = 0; run < kBlock.runs; ++run, group_block += group_rows * kBlock.run_size()) {
    spread<1>(row_block, kBlock.bytes, group_rows, group_block + lane);
    spread<4>(row_block, kBlock.words, group_rows, group_block + group_rows * kBlock.bytes + 4 * lane);
  }
}

template <DataType kStored, DataType kPacked = kStored>
void pack(const model::Tensor& tensor, const PackedMatrix& packed, std::int64_t begin, std::int64_t end,
          std::span<std::byte> bytes) {
  const std::int64_t group_rows = packed.group_rows;
  const std::int64_t row_bytes = tensor.row_step * tensor.row_bytes();
  const std::int64_t stored_bytes = model::block_bytes(kStored);
  std::byte* group_block = bytes.data() + begin * packed.group_bytes();
  for (std::int64_t first = begin * group_rows; first < std::min(end * group_rows, packed.rows); first += group_rows) {
    const std::int64_t lanes = std::min(group_rows, packed.rows - first);
    const std::byte* block = tensor.row(first).data();
    const std::byte* scale = kStored == DataType::kMxfp4 ? tensor.row_scales(first).data() : nullptr;
    for (std::int64_t i = 0; i < packed.blocks(); ++i, block += stored_bytes) {
      for (std::int64_t lane = 0; lane < lanes; ++lane) {
        RowBlock space;
        const std::byte* const row_scale =
            scale == nullptr ? nullptr : scale + lane * tensor.row_step * packed.blocks() + i;
        spread_block<kPacked>(arrange<kStored>(block + lane * row_bytes, row_scale, space), lane, group_rows,
                              group_block);
      }
      group_block += group_rows * packed_block(kPacked).size();
    }
  }
}

}  // namespace

DataType packed_type(DataType type) { return type == DataType::kMxfp4Ggml ? DataType::kMxfp4 : type; }

PackedMatrix plan_packing(const model::Tensor& tensor, std::int64_t group_rows) {
  return {packed_type(tensor.type), tensor.rows(), tensor.columns(), group_rows, {}};
}

void pack_groups(const model::Tensor& tensor, const PackedMatrix& packed, std::int64_t begin, std::int64_t end,
                 std::span<std::byte> bytes) {
  switch (tensor.type) {
    case DataType::kF32:
      return pack<DataType::kF32>(tensor, packed, begin, end, bytes);
    case DataType::kF16:
      return pack<DataType::kF16>(tensor, packed, begin, end, bytes);
    case DataType::kBF16:
      return pack<DataType::kBF16>(tensor, packed, begin, end, bytes);
    case DataType::kQ4_0:
      return pack<DataType::kQ4_0>(tensor, packed, begin, end, bytes);
    case DataType::kQ4_1:
      return pack<DataType::kQ4_1>(tensor, packed, begin, end, bytes);
    case DataType::kQ5_0:
      return pack<DataType::kQ5_0>(tensor, packed, begin, end, bytes);
    case DataType::kQ5_1:
      return pack<DataType::kQ5_1>(tensor, packed, begin, end, bytes);
    case DataType::kQ8_0:
      return pack<DataType::kQ8_0>(tensor, packed, begin, end, bytes);
    case DataType::kQ4_K:
      return pack<DataType::kQ4_K>(tensor, packed, begin, end, bytes);
    case DataType::kQ5_K:
      return pack<DataType::kQ5_K>(tensor, packed, begin, end, bytes);
    case DataType::kQ6_K:
      return pack<DataType::kQ6_K>(tensor, packed, begin, end, bytes);
    case DataType::kMxfp4:
      return pack<DataType::kMxfp4>(tensor, packed, begin, end, bytes);
    case DataType::kMxfp4Ggml:
      return pack<DataType::kMxfp4Ggml, DataType::kMxfp4>(tensor, packed, begin, end, bytes);
    case DataType::kU8:
      return;
  }
}

}  // namespace gpuinfer::backend
