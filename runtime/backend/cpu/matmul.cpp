// Matrix products for each instruction set.
#include "runtime/backend/cpu/matmul.hpp"

#include <algorithm>

#include "hwy/cache_control.h"
#include "runtime/backend/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/backend/cpu/matmul.cpp"
#include "hwy/foreach_target.h"  // before the headers that follow

#include "hwy/highway.h"
#include "runtime/backend/cpu/quantized_formats-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gpuinfer::backend::HWY_NAMESPACE {
namespace {

using model::DataType;

constexpr F32 kF32;

/// Tokens that share what is unpacked of a weight: as many as registers hold sums for.
constexpr int kQuantizedTile = 4;
constexpr int kFloatTile = 6;

/// The first tile of a group fetches its weights from memory, faster than the hardware's prefetcher follows from page
/// to page.
constexpr std::int64_t kPrefetchBytes = 2048;
constexpr std::int64_t kCacheLine = 64;

HWY_INLINE void prefetch(const std::byte* block, std::int64_t bytes) {
  for (std::int64_t line = 0; line < bytes; line += kCacheLine) hwy::Prefetch(block + kPrefetchBytes + line);
}

/// A group of rows times consecutive tokens.
struct Tile {
  const std::byte* group;
  std::int64_t blocks;
  const Activations& x;
  std::int64_t token;
  bool is_first;  ///< of those that read the group
};

// --- Quantised weights: exact integer sums of what shares a scale, then float multiply-adds. ---

/// Where the activations of T tokens lie, from the next run of columns on.
template <int T>
struct Rows {
  const std::int16_t* values[T];
  const float* scales[T];
  const float* sums[T];

  Rows(const Activations& x, std::int64_t token) {
    for (int t = 0; t < T; ++t) {
      values[t] = x.values(token + t);
      scales[t] = x.scales(token + t);
      sums[t] = x.sums(token + t);
    }
  }

  HWY_INLINE void to_next_run() {
    for (int t = 0; t < T; ++t) {
      values[t] += model::kQuantizedBlockElements;
      ++scales[t];
      ++sums[t];
    }
  }
};

/// sums += the columns 4·quad .. 4·quad+3 of a run for T tokens.
template <typename Values, int quad, int T>
HWY_INLINE void add_quad(const std::byte* words, const std::int16_t* const (&x)[T], VI (&sums)[kGroupVectors][T]) {
  hn::Vec<I16> first[kGroupVectors];
  hn::Vec<I16> second[kGroupVectors];
  for (int v = 0; v < kGroupVectors; ++v) {
    const Bytes bytes = Values::template values<quad>(words, v);
    if constexpr (Values::kSigned) {
      first[v] = hn::ShiftRight<8>(hn::ShiftLeft<8>(hn::BitCast(I16(), bytes)));
      second[v] = hn::ShiftRight<8>(hn::BitCast(I16(), bytes));
    } else {
      first[v] = hn::BitCast(I16(), hn::And(bytes, hn::Set(U16(), 255)));
      second[v] = hn::BitCast(I16(), hn::ShiftRight<8>(bytes));
    }
  }
  for (int t = 0; t < T; ++t) {
    const auto pair = broadcast_pair(x[t] + 4 * quad);
    for (int v = 0; v < kGroupVectors; ++v) sums[v][t] = add_products(sums[v][t], first[v], pair);
  }
  for (int t = 0; t < T; ++t) {
    const auto pair = broadcast_pair(x[t] + 4 * quad + 2);
    for (int v = 0; v < kGroupVectors; ++v) sums[v][t] = add_products(sums[v][t], second[v], pair);
  }
}

template <typename Values, int first_quad, int T, int... quads>
HWY_INLINE void add_quads(std::integer_sequence<int, quads...>, const std::byte* words,
                          const std::int16_t* const (&x)[T], VI (&sums)[kGroupVectors][T]) {
  (add_quad<Values, first_quad + quads, T>(words, x, sums), ...);
}

/// totals += the columns of a run to which part `part` of its scales belongs.
template <typename Format, int part, int T>
HWY_INLINE void add_part(const typename Format::Scales (&scales)[kGroupVectors], const std::byte* run, const Rows<T>& x,
                         VF (&totals)[kGroupVectors][T]) {
  constexpr int kQuadsOfPart = kQuads / Format::Scales::kScalesPerRun;
  VI sums[kGroupVectors][T];
  for (auto& of_vector : sums) {
    for (VI& sum : of_vector) sum = hn::Zero(I32());
  }
  const std::byte* const words = run + Format::kBlock.bytes * kGroupVectors * lanes();
  add_quads<typename Format::Values, part * kQuadsOfPart, T>(std::make_integer_sequence<int, kQuadsOfPart>(), words,
                                                             x.values, sums);
  for (int v = 0; v < kGroupVectors; ++v) {
    const VF scale = scales[v].template scale<part>(run, v);
    for (int t = 0; t < T; ++t) {
      const VF both = hn::Mul(scale, hn::Set(kF32, *x.scales[t]));
      totals[v][t] = hn::MulAdd(both, hn::ConvertTo(kF32, sums[v][t]), totals[v][t]);
    }
  }
}

template <typename Format, int T>
void quantized_tile(const Tile& tile, VF (&totals)[kGroupVectors][T]) {
  using Scales = typename Format::Scales;
  constexpr PackedBlock kBlock = Format::kBlock;
  const std::int64_t group_rows = kGroupVectors * lanes();
  Rows<T> x(tile.x, tile.token);
  const std::byte* next = tile.group;
  for (auto& of_vector : totals) {
    for (VF& total : of_vector) total = hn::Zero(kF32);
  }
  for (std::int64_t block = 0; block < tile.blocks; ++block) {
    if (tile.is_first) prefetch(next, group_rows * kBlock.size());
    const Scales scales[kGroupVectors] = {{next, 0}, {next, 1}};
    next += group_rows * 2 * kBlock.halves;
    for (std::int64_t run = 0; run < kBlock.runs; ++run) {
      add_part<Format, 0, T>(scales, next, x, totals);
      if constexpr (Scales::kScalesPerRun > 1) add_part<Format, 1, T>(scales, next, x, totals);
      if constexpr (Scales::kHasMinimum) {
        for (int v = 0; v < kGroupVectors; ++v) {
          const VF minimum = scales[v].minimum(next, v);
          for (int t = 0; t < T; ++t) totals[v][t] = hn::MulAdd(minimum, hn::Set(kF32, *x.sums[t]), totals[v][t]);
        }
      }
      next += group_rows * kBlock.run_size();
      x.to_next_run();
    }
  }
}

// --- Float weights, widened to float32. ---

struct Float32 {
  static constexpr std::int64_t kBytes = 4;
  static HWY_INLINE VF load(const std::byte* column, int v) {
    return hn::LoadU(kF32, reinterpret_cast<const float*>(column) + v * lanes());
  }
};

struct Float16 {
  static constexpr std::int64_t kBytes = 2;
  static HWY_INLINE VF load(const std::byte* column, int v) { return load_float16(column, v); }
};

struct BFloat16 {
  static constexpr std::int64_t kBytes = 2;
  static HWY_INLINE VF load(const std::byte* column, int v) { return load_bfloat16(column, v); }
};

template <typename Format, int T>
void float_tile(const Tile& tile, VF (&totals)[kGroupVectors][T]) {
  const std::int64_t column_bytes = kGroupVectors * lanes() * Format::kBytes;
  const std::int64_t stride = tile.x.columns();
  const float* x = tile.x.floats(tile.token);
  const std::byte* column = tile.group;
  for (auto& of_vector : totals) {
    for (VF& total : of_vector) total = hn::Zero(kF32);
  }
  for (std::int64_t k = 0; k < stride; ++k, ++x, column += column_bytes) {
    if (tile.is_first) prefetch(column, column_bytes);
    VF weights[kGroupVectors];
    for (int v = 0; v < kGroupVectors; ++v) weights[v] = Format::load(column, v);
    for (int t = 0; t < T; ++t) {
      const VF value = hn::Set(kF32, x[t * stride]);
      for (int v = 0; v < kGroupVectors; ++v) totals[v][t] = hn::MulAdd(weights[v], value, totals[v][t]);
    }
  }
}

/// Both kinds behind one name: tile<T>() and the widest T.
template <typename Format>
struct Quantized {
  static constexpr int kTile = kQuantizedTile;
  template <int T>
  static void compute(const Tile& tile, VF (&totals)[kGroupVectors][T]) {
    quantized_tile<Format, T>(tile, totals);
  }
};

template <typename Format>
struct Float {
  static constexpr int kTile = kFloatTile;
  template <int T>
  static void compute(const Tile& tile, VF (&totals)[kGroupVectors][T]) {
    float_tile<Format, T>(tile, totals);
  }
};

// --- What is common: walking over groups and tokens, and writing results. ---

/// Where one group's results go.
struct Output {
  float* first_row;
  std::int64_t stride;
  std::int64_t rows;
  bool accumulate;

  /// Those of vector `v` of a token; the last group of a matrix may have fewer rows than others.
  HWY_INLINE void store(VF result, std::int64_t token, int v) const {
    float* const to = first_row + token * stride + v * lanes();
    const std::int64_t left = rows - v * lanes();
    if (left >= lanes()) {
      hn::StoreU(accumulate ? hn::Add(hn::LoadU(kF32, to), result) : result, kF32, to);
      return;
    }
    HWY_ALIGN float values[hn::MaxLanes(kF32)];
    hn::Store(result, kF32, values);
    for (std::int64_t row = 0; row < left; ++row) to[row] = accumulate ? to[row] + values[row] : values[row];
  }
};

/// As many tiles of T tokens as fit, then smaller ones.
template <typename Kind, int T>
void group_product(Tile tile, std::int64_t end, const Output& out) {
  for (; tile.token + T <= end; tile.token += T, tile.is_first = false) {
    VF totals[kGroupVectors][T];
    Kind::template compute<T>(tile, totals);
    for (int v = 0; v < kGroupVectors; ++v) {
      for (int t = 0; t < T; ++t) out.store(totals[v][t], tile.token + t, v);
    }
  }
  if constexpr (T > 1) group_product<Kind, T - 1>(tile, end, out);
}

template <typename Kind>
void product(const PackedMatrix& weight, const Activations& x, const MatmulRange& range, float* out,
             std::int64_t stride, bool accumulate) {
  for (std::int64_t group = range.group_begin; group < range.group_end; ++group) {
    const std::int64_t first = group * weight.group_rows;
    group_product<Kind, Kind::kTile>({weight.group(group), weight.blocks(), x, range.token_begin, true},
                                     range.token_end, {out + first, stride, weight.rows - first, accumulate});
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
    case DataType::kQ5_0:
      return product<Quantized<Q5_0>>(weight, x, range, out, stride, accumulate);
    case DataType::kQ5_1:
      return product<Quantized<Q5_1>>(weight, x, range, out, stride, accumulate);
    case DataType::kQ8_0:
      return product<Quantized<Q8_0>>(weight, x, range, out, stride, accumulate);
    case DataType::kQ4_K:
      return product<Quantized<Q4K>>(weight, x, range, out, stride, accumulate);
    case DataType::kQ5_K:
      return product<Quantized<Q5K>>(weight, x, range, out, stride, accumulate);
    case DataType::kQ6_K:
      return product<Quantized<Q6K>>(weight, x, range, out, stride, accumulate);
    case DataType::kMxfp4:
      return product<Quantized<Mxfp4>>(weight, x, range, out, stride, accumulate);
    case DataType::kMxfp4Ggml:
    case DataType::kU8:
      return;  // no packed type
  }
}

std::int64_t group_rows_on_target() { return kGroupVectors * lanes(); }

}  // namespace
}  // namespace gpuinfer::backend::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpuinfer::backend {

HWY_EXPORT(matmul_on_target);
HWY_EXPORT(group_rows_on_target);

std::int64_t matmul_group_rows() { return HWY_DYNAMIC_DISPATCH(group_rows_on_target)(); }

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
