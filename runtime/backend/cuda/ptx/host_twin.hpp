// What the host twins of this folder ask of the GPU that tests/simt plays: nothing else of it is known here.
#pragma once

#include <any>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <span>
#include <string>

namespace gpuinfer::simt {

struct Dimensions {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
};

inline constexpr unsigned kLanes = 32;

/// What one lane hands to the others of its warp.
using Words = std::array<std::uint32_t, 8>;

using Place = std::source_location;

/// Runs `thread` as every thread of every block of the grid. Throws Failure, which names the kernel, the block and the
/// thread, where one of them does what a GPU would not forgive. `arguments` is the std::tuple of those of the kernel,
/// for a GPU that looks at launches instead of running them (bench/gpu).
void launch(const char* kernel, Dimensions grid, unsigned threads, std::size_t dynamic_shared_bytes,
            const std::any& arguments, const std::function<void()>& thread);

// Below: for the thread that runs.

unsigned thread_index();
unsigned block_threads();
Dimensions block_index();

/// Goes on when all threads of the block have come to the same place.
void block_barrier(Place place);

/// Goes on when all threads of the block have come to the same place and the launch before this one has ended.
void wait_for_previous_launch(Place place);
/// Of a buffer.
void prefetch(const void* address);

/// Goes on when all lanes of the warp have come to the same place; each may then access what others have written.
void warp_barrier(Place place);

/// The same with what each of them brought, and without what they have written. The words last until the next exchange.
std::span<const Words, kLanes> exchange(const Words& mine, Place place);

/// The block's memory for the variable that `variable` is the identity of; all bits are one until it is written to.
void* shared_memory(const void* variable, std::size_t bytes);
void* dynamic_shared_memory();

/// 16 bytes that are read now and arrive at `to` when their group is waited for.
void copy_async(void* to, const void* from);
void close_copy_group();
/// Waits until at most `pending` groups of this thread are under way.
void wait_copy_groups(unsigned pending);

/// What the thread accesses while it lives may be accessed by others, who do it this way too.
struct Atomic {
  Atomic();
  ~Atomic();
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;
};

/// What the block accesses from now on comes after what the blocks of the launch that ran before it have.
void synchronize_with_blocks();

/// Ends the launch with a Failure.
[[noreturn]] void fail(const std::string& what);

}  // namespace gpuinfer::simt
