// A linear layer of every expert of a mixture, for the rows that the router gave them.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/mxfp4.hpp"
#include "runtime/backend/cuda/router.hpp"
#include "runtime/backend/cuda/stream.hpp"

namespace gpuinfer::backend::cuda {

/// Weights of all experts, one after the other, in bfloat16.
struct Bfloat16Experts {
  const Bfloat16* values = nullptr;  ///< [experts, rows, columns], aligned to 16 bytes
};

/// The same in MXFP4, each expert's as Mxfp4Matrix describes.
struct Mxfp4Experts {
  const std::uint32_t* words = nullptr;   ///< aligned to 16 bytes
  const std::uint32_t* scales = nullptr;  ///< E8M0, four in a word
};

/// For each row r of expert e, with x its token's, or its own where there is no list:
///     out[r, i] = Σ over c of weight[e, i, c] · x[c], + bias[e, i] where there is one
/// The sum is taken in float32, in the same order however many rows an expert has.
template <typename Experts>
struct ExpertProduct {
  Experts weight{};
  const float* bias = nullptr;           ///< [experts, rows], or null
  const Bfloat16* x = nullptr;           ///< [tokens or routed rows, columns], aligned to 16 bytes
  const std::int32_t* x_rows = nullptr;  ///< [routed rows]: Routing::tokens_of_rows; null: each row its own
  const ExpertTile* tiles = nullptr;     ///< [tile_count], of Routing
  float* out = nullptr;                  ///< [routed rows, rows]
  std::int64_t tile_count = 0;           ///< Routing::maximum_tiles()
  std::int64_t tile_rows = 0;            ///< Routing::tile_rows: what expert_tile_rows() says
  std::int64_t rows = 0;
  std::int64_t columns = 0;  ///< a multiple of 8; of 32 for MXFP4
};

/// Into tiles of how many rows the router cuts what `routed_rows` rows give each of `experts`: so many that an expert's
/// weights are mostly read once, and few enough that not much of a tile is empty.
std::int64_t expert_tile_rows(std::int64_t routed_rows, std::int64_t experts);

/// Throws std::invalid_argument for columns or tiles that there is no kernel for.
void multiply(const ExpertProduct<Bfloat16Experts>& step, Stream stream);
void multiply(const ExpertProduct<Mxfp4Experts>& step, Stream stream);

/// Bytes of one expert's weights.
inline std::int64_t weight_bytes(const ExpertProduct<Bfloat16Experts>& step) { return step.rows * step.columns * 2; }
inline std::int64_t weight_bytes(const ExpertProduct<Mxfp4Experts>& step) {
  const Mxfp4Matrix matrix{step.rows, step.columns};
  return (matrix.words() + matrix.scale_words()) * 4;
}

/// With `routed_rows` rows that went to `experts` different ones.
template <typename Experts>
Cost cost(const ExpertProduct<Experts>& step, std::int64_t routed_rows, std::int64_t experts) {
  const std::int64_t bias_bytes = step.bias != nullptr ? step.rows * 4 : 0;
  return {.bytes = experts * (weight_bytes(step) + bias_bytes) + routed_rows * (step.columns * 2 + step.rows * 4) +
                   step.tile_count * static_cast<std::int64_t>(sizeof(ExpertTile)),
          .flops = 2 * routed_rows * step.rows * step.columns};
}

}  // namespace gpuinfer::backend::cuda
