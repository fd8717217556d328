// Matrix products for each instruction set.
#include "runtime/backend/cpu/matmul.hpp"

#include <algorithm>

#include "hwy/cache_control.h"
#include "runtime/backend/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/backend/cpu/matmul.cpp"
#include "hwy/foreach_target.h"  // before the headers that follow

#include "hwy/highway.h"
#include "runtime/backend/cpu/multiply_pairs-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gpuinfer::backend::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using model::DataType;

constexpr F32 kF32;
using VF = hn::Vec<F32>;
using VI = hn::Vec<I32>;

std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(kF32)); }

/// How many tokens share one unpacking of a weight: as many as registers hold sums for.
constexpr int kQuantizedTile = 4;
constexpr int kFloatTile = 3;

/// A single token reads every weight once, faster than the hardware's prefetcher follows from page to page.
constexpr std::int64_t kPrefetchBytes = 2048;
constexpr std::int64_t kCacheLine = 64;

// --- Quantised weights: exact integer sums within a block of 32, then two float multiply-adds. ---

VF load_float16(const std::byte* p) {
  const hn::Rebind<hwy::float16_t, F32> d16;
  return hn::PromoteTo(kF32, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(p)));
}

VF load_bfloat16(const std::byte* p) {
  const hn::Rebind<hwy::bfloat16_t, F32> d16;
  return hn::PromoteTo(kF32, hn::LoadU(d16, reinterpret_cast<const hwy::bfloat16_t*>(p)));
}

/// Word `word` of all rows: four nibbles or two bytes in each 16-bit half.
hn::Vec<U16> load_word(const std::byte* values, int word) {
  return hn::BitCast(U16(), hn::LoadU(hn::Repartition<std::uint8_t, F32>(),
                                      reinterpret_cast<const std::uint8_t*>(values + 4 * word * lanes())));
}

/// sums[t] += weights · (the pair of columns beginning at x) for T tokens.
template <int T>
HWY_INLINE void add_pair(hn::Vec<I16> weights, const std::int16_t* x, std::int64_t stride, VI* sums) {
  for (int t = 0; t < T; ++t) {
    sums[t] = hn::Add(sums[t], multiply_pairs(weights, broadcast_pair(x + t * stride)));
  }
}

struct Float16Scale {
  static VF scale(const std::byte* block) { return load_float16(block); }
};

/// The signed bytes of `bits`: the low ones of all 16-bit halves meet x, the high ones x + 2.
template <int T>
HWY_INLINE void add_signed_bytes(hn::Vec<U16> bits, const std::int16_t* x, std::int64_t stride, VI* sums) {
  const auto bytes = hn::BitCast(I16(), bits);
  add_pair<T>(hn::ShiftRight<8>(hn::ShiftLeft<8>(bytes)), x, stride, sums);
  add_pair<T>(hn::ShiftRight<8>(bytes), x + 2, stride, sums);
}

/// Values 0..15, see packed_matrix.cpp for their order.
struct Nibbles {
  template <int T>
  static HWY_INLINE void sum(const std::byte* values, const std::int16_t* x, std::int64_t stride, VI* sums) {
    const auto mask = hn::Set(U16(), 15);
    for (int word = 0; word < 4; ++word, x += 4) {
      const auto bits = load_word(values, word);
      add_pair<T>(hn::BitCast(I16(), hn::And(bits, mask)), x, stride, sums);
      add_pair<T>(hn::BitCast(I16(), hn::And(hn::ShiftRight<4>(bits), mask)), x + 16, stride, sums);
      add_pair<T>(hn::BitCast(I16(), hn::And(hn::ShiftRight<8>(bits), mask)), x + 2, stride, sums);
      add_pair<T>(hn::BitCast(I16(), hn::ShiftRight<12>(bits)), x + 18, stride, sums);
    }
  }
};

struct Q4_0 : Nibbles, Float16Scale {
  static constexpr int kScales = 1;
  static constexpr bool kHasMinimum = true;
  static VF minimum(const std::byte*, VF scale) { return hn::Mul(scale, hn::Set(kF32, -8.0F)); }
};

struct Q4_1 : Nibbles, Float16Scale {
  static constexpr int kScales = 2;
  static constexpr bool kHasMinimum = true;
  static VF minimum(const std::byte* block, VF) { return load_float16(block + 2 * lanes()); }
};

struct Q8_0 : Float16Scale {
  static constexpr int kScales = 1;
  static constexpr bool kHasMinimum = false;
  static VF minimum(const std::byte*, VF) { return hn::Zero(kF32); }
  template <int T>
  static HWY_INLINE void sum(const std::byte* values, const std::int16_t* x, std::int64_t stride, VI* sums) {
    for (int word = 0; word < 8; ++word, x += 4) {
      add_signed_bytes<T>(load_word(values, word), x, stride, sums);
    }
  }
};

/// Codes of E2M1, which a table turns into twice their values.
struct Mxfp4 {
  static constexpr int kScales = 1;
  static constexpr bool kHasMinimum = false;
  static VF scale(const std::byte* block) { return load_bfloat16(block); }
  static VF minimum(const std::byte*, VF) { return hn::Zero(kF32); }
  template <int T>
  static HWY_INLINE void sum(const std::byte* values, const std::int16_t* x, std::int64_t stride, VI* sums) {
    const hn::Repartition<std::uint8_t, F32> u8;
    const auto table = hn::LoadDup128(u8, reinterpret_cast<const std::uint8_t*>(model::kDoubledE2m1.data()));
    const auto mask = hn::Set(U16(), 0x0F0F);
    const auto look_up = [&](hn::Vec<U16> codes) HWY_ATTR {
      return hn::BitCast(U16(), hn::TableLookupBytes(table, hn::BitCast(u8, hn::And(codes, mask))));
    };
    for (int word = 0; word < 4; ++word, x += 4) {
      const auto bits = load_word(values, word);
      add_signed_bytes<T>(look_up(bits), x, stride, sums);
      add_signed_bytes<T>(look_up(hn::ShiftRight<4>(bits)), x + 16, stride, sums);
    }
  }
};

/// One group of rows for T tokens.
template <typename Format, int T>
void quantized_tile(const std::byte* block, std::int64_t block_bytes, const Activations& x, std::int64_t token,
                    VF* results) {
  const std::int64_t blocks = x.blocks();
  const std::int16_t* values = x.values(token);
  const float* scales = x.scales(token);
  const float* sums = x.sums(token);
  VF totals[T];
  for (int t = 0; t < T; ++t) totals[t] = hn::Zero(kF32);
  for (std::int64_t b = 0; b < blocks; ++b, block += block_bytes) {
    if constexpr (T == 1) {
      for (std::int64_t line = 0; line < block_bytes; line += kCacheLine) hwy::Prefetch(block + kPrefetchBytes + line);
    }
    const VF scale = Format::scale(block);
    const VF minimum = Format::minimum(block, scale);
    VI products[T];
    for (int t = 0; t < T; ++t) products[t] = hn::Zero(I32());
    Format::template sum<T>(block + 2 * Format::kScales * lanes(), values + b * model::kQuantizedBlockElements,
                            x.columns(), products);
    for (int t = 0; t < T; ++t) {
      const VF both = hn::Mul(scale, hn::Set(kF32, scales[t * blocks + b]));
      totals[t] = hn::MulAdd(both, hn::ConvertTo(kF32, products[t]), totals[t]);
      if constexpr (Format::kHasMinimum) {
        totals[t] = hn::MulAdd(minimum, hn::Set(kF32, sums[t * blocks + b]), totals[t]);
      }
    }
  }
  for (int t = 0; t < T; ++t) results[t] = totals[t];
}

// --- Float weights: four partial sums, so that one addition need not wait for the one before. ---

struct Float32 {
  static VF load(const std::byte* p) { return hn::LoadU(kF32, reinterpret_cast<const float*>(p)); }
};

struct Float16 {
  static VF load(const std::byte* p) { return load_float16(p); }
};

struct BFloat16 {
  static VF load(const std::byte* p) { return load_bfloat16(p); }
};

template <typename Format, int T>
void float_tile(const std::byte* column, std::int64_t column_bytes, const Activations& x, std::int64_t token,
                VF* results) {
  constexpr int kPartial = 4;
  const float* values = x.floats(token);
  const std::int64_t columns = x.columns();
  VF totals[kPartial][T];
  for (int p = 0; p < kPartial; ++p) {
    for (int t = 0; t < T; ++t) totals[p][t] = hn::Zero(kF32);
  }
  const auto add_column = [&](int p, std::int64_t k) HWY_ATTR {
    const VF weight = Format::load(column + p * column_bytes);
    for (int t = 0; t < T; ++t) {
      totals[p][t] = hn::MulAdd(weight, hn::Set(kF32, values[t * columns + k + p]), totals[p][t]);
    }
  };
  std::int64_t k = 0;
  for (; k + kPartial <= columns; k += kPartial, column += kPartial * column_bytes) {
    add_column(0, k);
    add_column(1, k);
    add_column(2, k);
    add_column(3, k);
  }
  if (k < columns) add_column(0, k);
  if (k + 1 < columns) add_column(1, k);
  if (k + 2 < columns) add_column(2, k);
  for (int t = 0; t < T; ++t) {
    results[t] = hn::Add(hn::Add(totals[0][t], totals[1][t]), hn::Add(totals[2][t], totals[3][t]));
  }
}

/// Both kinds behind one name: tile<T>() and the widest T.
template <typename Format>
struct Quantized {
  static constexpr int kTile = kQuantizedTile;
  template <int T>
  static void tile(const std::byte* group, std::int64_t block_bytes, const Activations& x, std::int64_t token,
                   VF* out) {
    quantized_tile<Format, T>(group, block_bytes, x, token, out);
  }
};

template <typename Format>
struct Float {
  static constexpr int kTile = kFloatTile;
  template <int T>
  static void tile(const std::byte* group, std::int64_t block_bytes, const Activations& x, std::int64_t token,
                   VF* out) {
    float_tile<Format, T>(group, block_bytes, x, token, out);
  }
};

// --- What is common: walking over groups and tokens, and writing results. ---

/// The last group of a matrix may have fewer rows than lanes.
void store(VF result, float* out, std::int64_t rows, bool accumulate) {
  if (rows >= lanes()) {
    hn::StoreU(accumulate ? hn::Add(hn::LoadU(kF32, out), result) : result, kF32, out);
    return;
  }
  HWY_ALIGN float values[hn::MaxLanes(kF32)];
  hn::Store(result, kF32, values);
  for (std::int64_t row = 0; row < rows; ++row) out[row] = accumulate ? out[row] + values[row] : values[row];
}

/// Where one group's results go.
struct Output {
  float* first_row;
  std::int64_t stride;
  std::int64_t rows;
  bool accumulate;
};

/// As many tiles of T tokens as fit, then smaller ones.
template <typename Kind, int T>
void group_product(const std::byte* group, std::int64_t block_bytes, const Activations& x, std::int64_t token,
                   std::int64_t end, const Output& out) {
  for (; token + T <= end; token += T) {
    VF results[T];
    Kind::template tile<T>(group, block_bytes, x, token, results);
    for (int t = 0; t < T; ++t) store(results[t], out.first_row + (token + t) * out.stride, out.rows, out.accumulate);
  }
  if constexpr (T > 1) group_product<Kind, T - 1>(group, block_bytes, x, token, end, out);
}

template <typename Kind>
void product(const PackedMatrix& weight, const Activations& x, const MatmulRange& range, float* out,
             std::int64_t stride, bool accumulate) {
  for (std::int64_t group = range.group_begin; group < range.group_end; ++group) {
    const std::int64_t first = group * lanes();
    const Output output{out + first, stride, weight.rows - first, accumulate};
    group_product<Kind, Kind::kTile>(weight.group(group), weight.block_bytes(), x, range.token_begin, range.token_end,
                                     output);
  }
}

void matmul_on_target(const PackedMatrix& weight, const Activations& x, const MatmulRange& range, float* out,
                      std::int64_t stride, bool accumulate) {
  switch (weight.type) {
    case DataType::kF32:
      return product<Float<Float32>>(weight, x, range, out, stride, accumulate);
    case DataType::kF16:
      return product<Float<Float16>>(weight, x, range, out, stride, accumulate);
    case DataType::kBF16:
      return product<Float<BFloat16>>(weight, x, range, out, stride, accumulate);
    case DataType::kQ4_0:
      return product<Quantized<Q4_0>>(weight, x, range, out, stride, accumulate);
    case DataType::kQ4_1:
      return product<Quantized<Q4_1>>(weight, x, range, out, stride, accumulate);
    case DataType::kQ8_0:
      return product<Quantized<Q8_0>>(weight, x, range, out, stride, accumulate);
    case DataType::kMxfp4:
      return product<Quantized<Mxfp4>>(weight, x, range, out, stride, accumulate);
    case DataType::kU8:
      return;
  }
}

std::int64_t lanes_on_target() { return lanes(); }

}  // namespace
}  // namespace gpuinfer::backend::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpuinfer::backend {

HWY_EXPORT(matmul_on_target);
HWY_EXPORT(lanes_on_target);

std::int64_t matmul_lanes() { return HWY_DYNAMIC_DISPATCH(lanes_on_target)(); }

std::string instruction_set() {
  // The best supported target is the lowest bit.
  const std::int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(targets & -targets);
}

void matmul(const PackedMatrix& weight, const Activations& x, const MatmulRange& range, float* out, std::int64_t stride,
            bool accumulate) {
  HWY_DYNAMIC_DISPATCH(matmul_on_target)(weight, x, range, out, stride, accumulate);
}

}  // namespace gpuinfer::backend
#endif
