// Each wrapper of runtime/backend/cuda/ptx in a small kernel, so that both of its twins are compiled.
#pragma once

#include "runtime/backend/cuda/bfloat16.cuh"
#include "runtime/backend/cuda/ptx/arrival.cuh"
#include "runtime/backend/cuda/ptx/async_copy.cuh"
#include "runtime/backend/cuda/ptx/atomic.cuh"
#include "runtime/backend/cuda/ptx/convert.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/math.cuh"
#include "runtime/backend/cuda/ptx/memory.cuh"
#include "runtime/backend/cuda/ptx/mma.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"
#include "runtime/backend/cuda/ptx/warp.cuh"

namespace gpuinfer::simt {

namespace ptx = backend::cuda::ptx;

/// Three numbers for each thread of each block: the block's place.
GPU_KERNEL(32) write_places(int* out) {
  ptx::wait_for_previous_launch();
  const int block = (ptx::block_z() * 3 + ptx::block_y()) * 2 + ptx::block_x();
  int* place = out + 3 * (block * ptx::block_threads() + ptx::thread_index());
  place[0] = ptx::block_x();
  place[1] = ptx::block_y();
  place[2] = ptx::block_z();
}

/// Turns the order of 32 numbers round by way of dynamic shared memory.
GPU_KERNEL(32) reverse_warp(const float* in, float* out) {
  ptx::wait_for_previous_launch();
  auto* values = ptx::dynamic_shared<float>();
  values[ptx::lane_index()] = in[ptx::lane_index()];
  ptx::warp_barrier();
  out[ptx::lane_index()] = values[ptx::kWarpLanes - 1 - ptx::lane_index()];
}

/// The neighbour's number, and that of the lane three further on.
GPU_KERNEL(32) shuffle_warp(const float* in, float* neighbour, int* third) {
  ptx::wait_for_previous_launch();
  const int lane = ptx::lane_index();
  neighbour[lane] = ptx::shuffle_xor(in[lane], 1);
  third[lane] = ptx::shuffle(ptx::shuffle_xor(lane, 0), (lane + 3) % ptx::kWarpLanes);
}

/// Sums `tiles` tiles of 4 · 32 numbers, each lane its own columns: the next tile is under way while one is added.
GPU_KERNEL(32) sum_tiles(const float* in, int tiles, float* out) {
  ptx::wait_for_previous_launch();
  constexpr int kTile = 4 * ptx::kWarpLanes;
  GPU_SHARED(float, staged, 2 * kTile);
  const int column = 4 * ptx::lane_index();
  float sums[4] = {};
  ptx::copy_async_16(staged + column, in + column);
  ptx::close_copy_group();
  for (int tile = 0; tile < tiles; ++tile) {
    if (tile + 1 < tiles)
      ptx::copy_async_16(staged + (tile + 1) % 2 * kTile + column, in + (tile + 1) * kTile + column);
    ptx::close_copy_group();
    ptx::wait_copy_groups<1>();
    for (int i = 0; i < 4; ++i) sums[i] += staged[tile % 2 * kTile + column + i];
  }
  ptx::wait_copy_groups<0>();
  for (int i = 0; i < 4; ++i) out[column + i] = sums[i];
}

/// Rounds eight numbers for each lane.
GPU_KERNEL(32) round_to_bfloat16(const float* in, backend::cuda::Bfloat16* out) {
  ptx::wait_for_previous_launch();
  const int begin = 8 * ptx::lane_index();
  const auto first = ptx::load_16_bytes<float>(in + begin);
  const auto second = ptx::stream_16_bytes<float>(in + begin + 4);
  for (int i = 0; i < 4; ++i) {
    out[begin + i] = backend::cuda::to_bfloat16(first.values[i]);
    out[begin + 4 + i] = backend::cuda::to_bfloat16(second.values[i]);
  }
}

/// The sum of two numbers of each thread, by all threads at once.
GPU_KERNEL(64) add_atomically(const std::uint64_t* in, std::uint64_t* out) {
  ptx::wait_for_previous_launch();
  GPU_SHARED(std::uint64_t, sum, 1);
  if (ptx::thread_index() == 0) sum[0] = 0;
  ptx::block_barrier();
  for (int i = 0; i < 2; ++i) ptx::atomic_add(&sum[0], in[2 * ptx::thread_index() + i]);
  ptx::block_barrier();
  if (ptx::thread_index() == 0) out[0] = sum[0];
}

/// Adds up what all blocks have, by the last one that has brought its part; parts: [blocks, 64].
GPU_KERNEL(64) add_in_last_block(const int* in, int* parts, std::uint32_t* arrivals, int blocks, int* out) {
  ptx::wait_for_previous_launch();
  const int place = ptx::block_x() * ptx::block_threads() + ptx::thread_index();
  parts[place] = in[place];
  if (!ptx::arrives_last(arrivals, blocks)) return;
  // What another thread of another block wrote.
  const int other = ptx::block_threads() - 1 - ptx::thread_index();
  int sum = 0;
  for (int block = 0; block < blocks; ++block) sum += parts[block * ptx::block_threads() + other];
  out[other] = sum;
}

/// a · b + c for each lane, both rounded.
GPU_KERNEL(32) multiply_then_add(const float* a, const float* b, const float* c, float* out) {
  ptx::wait_for_previous_launch();
  const int lane = ptx::lane_index();
  out[lane] = ptx::add_unfused(a[lane] * b[lane], c[lane]);
}

/// Moves four numbers of each lane one lane on, and back again.
GPU_KERNEL(32) move_there_and_back(float* values) {
  ptx::wait_for_previous_launch();
  const int here = 4 * ptx::lane_index();
  const int there = 4 * ((ptx::lane_index() + 1) % ptx::kWarpLanes);
  for (const int to : {there, here}) {
    const auto four = ptx::load_16_bytes<float>(values + (to == here ? there : here));
    ptx::block_barrier();
    ptx::store_16_bytes(values + to, four);
    ptx::block_barrier();
  }
}

/// Adds one to numbers that are on their way to the L2 cache while the kernel before this one ends.
GPU_KERNEL(32) add_one_after_wait(float* values) {
  float& value = values[ptx::lane_index()];
  ptx::prefetch_line(&value);
  ptx::wait_for_previous_launch();
  value += 1;
}

/// Two to the power of four numbers for each lane.
GPU_KERNEL(32) raise_two(const float* in, float* out) {
  ptx::wait_for_previous_launch();
  const int begin = 4 * ptx::lane_index();
  ptx::SixteenBytes<float> powers;
  for (int i = 0; i < 4; ++i) powers.values[i] = ptx::power_of_two(in[begin + i]);
  ptx::store_16_bytes(out + begin, powers);
}

/// How many lanes below have a number above zero.
GPU_KERNEL(32) count_positive_below(const float* in, int* out) {
  ptx::wait_for_previous_launch();
  const std::uint32_t below = (1U << ptx::lane_index()) - 1;
  out[ptx::lane_index()] = ptx::count_bits(ptx::ballot(in[ptx::lane_index()] > 0) & below);
}

/// Each lane's two words, as pairs of bfloat16.
GPU_KERNEL(32) multiply_pairs(const std::uint32_t* a, const std::uint32_t* b, std::uint32_t* out) {
  ptx::wait_for_previous_launch();
  out[ptx::lane_index()] = ptx::multiply_bfloat16_pairs(a[ptx::lane_index()], b[ptx::lane_index()]);
}

/// c += a · b for matrices of 16 rows and 16 columns, 16 and 8, 16 and 8, all row after row.
GPU_KERNEL(32) multiply_matrices(const backend::cuda::Bfloat16* a, const backend::cuda::Bfloat16* b, float* c) {
  ptx::wait_for_previous_launch();
  const int row = ptx::lane_index() / 4;
  const int pair = ptx::lane_index() % 4 * 2;
  const auto word = [](backend::cuda::Bfloat16 first, backend::cuda::Bfloat16 second) {
    return first.bits | std::uint32_t{second.bits} << 16;
  };
  const auto of_a = [&](int i, int k) { return word(a[i * 16 + k], a[i * 16 + k + 1]); };
  const auto of_b = [&](int k, int j) { return word(b[k * 8 + j], b[(k + 1) * 8 + j]); };
  float* upper = c + row * 8 + pair;
  float* lower = upper + 8 * 8;
  ptx::MatrixC sums{{upper[0], upper[1], lower[0], lower[1]}};
  ptx::multiply_add(sums, {{of_a(row, pair), of_a(row + 8, pair), of_a(row, pair + 8), of_a(row + 8, pair + 8)}},
                    {{of_b(pair, row), of_b(pair + 8, row)}});
  upper[0] = sums.values[0];
  upper[1] = sums.values[1];
  lower[0] = sums.values[2];
  lower[1] = sums.values[3];
}

}  // namespace gpuinfer::simt
