// What the 32 lanes of a warp tell each other. All of them take part, always.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/backend/cuda/ptx/kernel.cuh"

namespace gpuinfer::backend::cuda::ptx {

#ifdef __CUDACC__

inline constexpr unsigned kAllLanes = 0xFFFFFFFFU;

/// The `value` of lane `lane`.
GPU_DEVICE float shuffle(float value, int lane) { return __shfl_sync(kAllLanes, value, lane); }
GPU_DEVICE int shuffle(int value, int lane) { return __shfl_sync(kAllLanes, value, lane); }

/// The `value` of the lane whose number differs from the own one in the bits of `mask`.
GPU_DEVICE float shuffle_xor(float value, int mask) { return __shfl_xor_sync(kAllLanes, value, mask); }
GPU_DEVICE int shuffle_xor(int value, int mask) { return __shfl_xor_sync(kAllLanes, value, mask); }

/// A bit for each lane: whether its `condition` is true.
GPU_DEVICE std::uint32_t ballot(bool condition) { return __ballot_sync(kAllLanes, condition); }

GPU_DEVICE int count_bits(std::uint32_t bits) { return __popc(bits); }

/// All lanes come here before any goes on, and see what the others wrote.
GPU_DEVICE void warp_barrier() { __syncwarp(); }

#else

template <typename T>
T exchange_word(T value, int lane, simt::Place place) {
  if (lane < 0 || lane >= kWarpLanes) simt::fail("asks for lane " + std::to_string(lane) + " of its warp");
  return std::bit_cast<T>(
      simt::exchange({std::bit_cast<std::uint32_t>(value)}, place)[static_cast<std::size_t>(lane)][0]);
}

template <typename T>
T shuffle(T value, int lane, simt::Place place = simt::Place::current()) {
  return exchange_word(value, lane, place);
}

template <typename T>
T shuffle_xor(T value, int mask, simt::Place place = simt::Place::current()) {
  return exchange_word(value, lane_index() ^ mask, place);
}

GPU_DEVICE std::uint32_t ballot(bool condition, simt::Place place = simt::Place::current()) {
  std::uint32_t bits = 0;
  const auto lanes = simt::exchange({condition ? 1U : 0U}, place);
  for (unsigned lane = 0; lane < simt::kLanes; ++lane) bits |= lanes[lane][0] << lane;
  return bits;
}

GPU_DEVICE int count_bits(std::uint32_t bits) { return std::popcount(bits); }

GPU_DEVICE void warp_barrier(simt::Place place = simt::Place::current()) { simt::warp_barrier(place); }

#endif

}  // namespace gpuinfer::backend::cuda::ptx
