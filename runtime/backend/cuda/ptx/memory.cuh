// The widest accesses to global memory.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "runtime/backend/cuda/ptx/kernel.cuh"

namespace gpuinfer::backend::cuda::ptx {

/// What one access moves.
template <typename T>
struct alignas(16) SixteenBytes {
  static_assert(16 % sizeof(T) == 0);
  T values[16 / sizeof(T)];
};

#ifdef __CUDACC__

/// 16 bytes at an aligned address (PTX ISA: ld.global.v4). Not by way of the read-only cache (ld.global.nc): the kernel
/// before this one may still write what is read here after wait_for_previous_launch().
template <typename T>
GPU_DEVICE SixteenBytes<T> load_16_bytes(const void* from) {
  return std::bit_cast<SixteenBytes<T>>(*static_cast<const uint4*>(from));
}

/// The same for what is read once in a step: it is the first to leave the L2 cache (PTX ISA: ld.global.cs).
template <typename T>
GPU_DEVICE SixteenBytes<T> stream_16_bytes(const void* from) {
  const uint4 words = __ldcs(static_cast<const uint4*>(from));
  return std::bit_cast<SixteenBytes<T>>(words);
}

/// 16 bytes to an aligned address (PTX ISA: st.global.v4).
template <typename T>
GPU_DEVICE void store_16_bytes(void* to, const SixteenBytes<T>& values) {
  *static_cast<uint4*>(to) = std::bit_cast<uint4>(values);
}

#else

inline void check_alignment(const void* address, std::uintptr_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(address) % bytes != 0) simt::fail("uses an address that is not aligned");
}

template <typename T>
GPU_DEVICE SixteenBytes<T> load_16_bytes(const void* from) {
  check_alignment(from, 16);
  SixteenBytes<T> loaded;
  std::memcpy(&loaded, from, sizeof loaded);
  return loaded;
}

template <typename T>
GPU_DEVICE SixteenBytes<T> stream_16_bytes(const void* from) {
  return load_16_bytes<T>(from);
}

template <typename T>
GPU_DEVICE void store_16_bytes(void* to, const SixteenBytes<T>& values) {
  check_alignment(to, 16);
  std::memcpy(to, &values, sizeof values);
}

#endif

}  // namespace gpuinfer::backend::cuda::ptx
