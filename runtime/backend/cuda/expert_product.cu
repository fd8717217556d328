// A block multiplies one tile of one expert's rows with some of its weights.
#include "runtime/backend/cuda/expert_product.hpp"

#include <stdexcept>

#include "runtime/backend/cuda/bfloat16_weights.cuh"
#include "runtime/backend/cuda/mxfp4_weights.cuh"
#include "runtime/backend/cuda/product_tile.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"
#include "runtime/backend/cuda/wide_product_tile.cuh"

namespace gpuinfer::backend::cuda {
namespace {

GPU_DEVICE Bfloat16Weights weights_of(const ExpertProduct<Bfloat16Experts>& step, std::int64_t expert) {
  return {step.weight.values + expert * step.rows * step.columns, step.rows, step.columns};
}

GPU_DEVICE Mxfp4Weights weights_of(const ExpertProduct<Mxfp4Experts>& step, std::int64_t expert) {
  const Mxfp4Matrix matrix{step.rows, step.columns};
  return {step.weight.words + expert * matrix.words(), step.weight.scales + expert * matrix.scale_words(), matrix};
}

template <typename Experts>
GPU_DEVICE TileInput input_of(const ExpertProduct<Experts>& step, const ExpertTile& tile) {
  return {.x = step.x, .indices = step.x_rows, .first = tile.first_row, .count = tile.rows, .columns = step.columns};
}

template <typename Experts>
GPU_DEVICE TileOutput output_of(const ExpertProduct<Experts>& step, const ExpertTile& tile) {
  return {.out = step.out + tile.first_row * step.rows,
          .bias = step.bias == nullptr ? nullptr : step.bias + tile.expert * step.rows,
          .rows = step.rows};
}

/// For few rows of an expert, whose weights' bytes are what takes time.
// budget <Mxfp4Experts>: 80 registers, 640 shared bytes, HMMA, LDG.128
// budget <Bfloat16Experts>: 128 registers, 640 shared bytes, HMMA, LDG.128
template <typename Experts>
GPU_KERNEL(kProductThreads)
expert_product_kernel(const ExpertProduct<Experts> step) {
  ptx::wait_for_previous_launch();
  const ExpertTile tile = step.tiles[ptx::block_x()];
  if (tile.rows == 0) return;
  multiply_tile<1, 1>(weights_of(step, tile.expert), ptx::block_y(), input_of(step, tile), output_of(step, tile));
}

// budget: 128 registers, HMMA, LDG.128, LDGSTS.128
// budget <4, Bfloat16Experts>: 128 registers, 8 stack bytes, HMMA, LDG.128, LDGSTS.128
// Those 8 bytes, on sm_120, are what the compiler pays for staying at 128, which lets two blocks run at a time.
// budget <4, Mxfp4Experts>: 255 registers, HMMA, LDG.128, LDGSTS.128
// budget <8, Mxfp4Experts>: 255 registers, HMMA, LDG.128, LDGSTS.128
// budget <8, Bfloat16Experts>: 255 registers, HMMA, LDG.128, LDGSTS.128
template <int kTokenTiles, typename Experts>
GPU_KERNEL(kProductThreads)
wide_expert_product_kernel(const ExpertProduct<Experts> step) {
  ptx::wait_for_previous_launch();
  const ExpertTile tile = step.tiles[ptx::block_x()];
  if (tile.rows == 0) return;
  multiply_wide_tile<kTokenTiles>(weights_of(step, tile.expert), std::int64_t{ptx::block_y()} * kWideRows,
                                  input_of(step, tile), output_of(step, tile));
}

template <typename Experts>
ptx::Grid grid(const ExpertProduct<Experts>& step, std::int64_t rows) {
  return {.x = step.tile_count, .y = (step.rows + rows - 1) / rows, .threads = kProductThreads};
}

template <int kTokenTiles, typename Experts>
void launch_wide(const ExpertProduct<Experts>& step, Stream stream) {
  ptx::Grid wide = grid(step, kWideRows);
  wide.dynamic_shared_bytes = wide_shared_bytes(kTokenTiles);
  ptx::launch("wide_expert_product", wide_expert_product_kernel<kTokenTiles, Experts>, wide, stream, step);
}

template <typename Experts>
void multiply_any(const ExpertProduct<Experts>& step, Stream stream) {
  switch (step.tile_rows) {
    case 8:
      return ptx::launch("expert_product", expert_product_kernel<Experts>, grid(step, kTileRows), stream, step);
    case 16:
      return launch_wide<2>(step, stream);
    case 32:
      return launch_wide<4>(step, stream);
    case 64:
      return launch_wide<8>(step, stream);
    default:
      throw std::invalid_argument("experts' tiles have 8, 16, 32 or 64 rows");
  }
}

}  // namespace

std::int64_t expert_tile_rows(std::int64_t routed_rows, std::int64_t experts) {
  if (routed_rows <= 4 * experts) return 8;
  if (routed_rows <= 12 * experts) return 16;
  return routed_rows <= 40 * experts ? 32 : 64;
}

void multiply(const ExpertProduct<Bfloat16Experts>& step, Stream stream) {
  if (step.columns % 8 != 0) throw std::invalid_argument("a product's columns are a multiple of 8");
  multiply_any(step, stream);
}

void multiply(const ExpertProduct<Mxfp4Experts>& step, Stream stream) {
  if (step.columns % 32 != 0) throw std::invalid_argument("columns in MXFP4 are a multiple of 32");
  multiply_any(step, stream);
}

}  // namespace gpuinfer::backend::cuda
