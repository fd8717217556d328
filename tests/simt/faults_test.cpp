// Planted faults: the mistakes that kernels are checked for under this harness, each in a small kernel, each caught.
#include <cmath>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "runtime/backend/cuda/ptx/arrival.cuh"
#include "runtime/backend/cuda/ptx/async_copy.cuh"
#include "runtime/backend/cuda/ptx/atomic.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/memory.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"
#include "runtime/backend/cuda/ptx/warp.cuh"
#include "runtime/backend/cuda/reduce.cuh"
#include "simt/accesses.hpp"
#include "simt/buffer.hpp"
#include "simt/failure.hpp"
#include "simt/schedule.hpp"

using Catch::Matchers::Contains;
using gpuinfer::simt::Failure;
using gpuinfer::simt::Input;
using gpuinfer::simt::Output;
using gpuinfer::simt::under_schedules;
namespace ptx = gpuinfer::backend::cuda::ptx;

namespace {

constexpr int kThreads = 128;

std::vector<float> counting(int count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 1.0F);
  return values;
}

/// Each thread hands its value to the next one of the block.
template <bool kWithBarrier>
GPU_KERNEL(kThreads)
pass_on(const float* in, float* out) {
  ptx::wait_for_previous_launch();
  GPU_SHARED(float, values, kThreads);
  const int thread = ptx::thread_index();
  values[(thread + 1) % kThreads] = in[thread];
  if constexpr (kWithBarrier) ptx::block_barrier();
  out[thread] = values[thread];
}

/// Sums the block's values in rounds, which share their memory.
template <bool kWithBarrier>
GPU_KERNEL(kThreads)
sum_rounds(const float* in, float* out, int rounds) {
  ptx::wait_for_previous_launch();
  GPU_SHARED(float, partial, kThreads / ptx::kWarpLanes);
  for (int round = 0; round < rounds; ++round) {
    out[round * kThreads + ptx::thread_index()] =
        gpuinfer::backend::cuda::block_sum(in[ptx::thread_index()] * static_cast<float>(round), partial);
    if constexpr (kWithBarrier) ptx::block_barrier();
  }
}

/// Each block brings a number, and one of them adds up all: the last to come, or the one with the highest index.
template <bool kByArrival>
GPU_KERNEL(32)
add_blocks(float* parts, std::uint32_t* arrivals, int blocks, float* out) {
  ptx::wait_for_previous_launch();
  if (ptx::thread_index() == 0) parts[ptx::block_x()] = static_cast<float>(ptx::block_x());
  const bool is_last = kByArrival ? ptx::arrives_last(arrivals, blocks) : ptx::block_x() == blocks - 1;
  if (!is_last || ptx::thread_index() != 0) return;
  out[0] = 0;
  for (int block = 0; block < blocks; ++block) out[0] += parts[block];
}

template <bool kWithWait>
GPU_KERNEL(32)
copy_through_shared(const float* in, float* out) {
  ptx::wait_for_previous_launch();
  GPU_SHARED(float, staged, 4 * 32);
  const int begin = 4 * ptx::thread_index();
  ptx::copy_async_16(staged + begin, in + begin);
  ptx::close_copy_group();
  if constexpr (kWithWait) ptx::wait_copy_groups<0>();
  for (int i = begin; i < begin + 4; ++i) out[i] = staged[i];
  if constexpr (!kWithWait) ptx::wait_copy_groups<0>();
}

GPU_KERNEL(32) copy_without_waiting_at_all(const float* in) {
  ptx::wait_for_previous_launch();
  GPU_SHARED(float, staged, 4 * 32);
  ptx::copy_async_16(staged + 4 * ptx::thread_index(), in + 4 * ptx::thread_index());
  ptx::close_copy_group();
}

GPU_KERNEL(32) copy_shifted(const float* in, float* out, int shift) {
  ptx::wait_for_previous_launch();
  out[ptx::thread_index()] = in[ptx::thread_index() + shift];
}

GPU_KERNEL(32) load_four(const float* in, float* out, int shift) {
  ptx::wait_for_previous_launch();
  out[ptx::thread_index()] = ptx::load_16_bytes<float>(in + shift).values[0];
}

GPU_KERNEL(32) write_to(float* out, int index) {
  ptx::wait_for_previous_launch();
  if (ptx::thread_index() == 0) out[index] = 1;
}

GPU_KERNEL(32) write_to_shared(int index) {
  ptx::wait_for_previous_launch();
  GPU_SHARED(float, values, 32);
  if (ptx::thread_index() == 0) values[index] = 1;
}

GPU_KERNEL(32) ask_lane(float* out, int distance) {
  ptx::wait_for_previous_launch();
  out[ptx::thread_index()] = ptx::shuffle(1.0F, ptx::lane_index() + distance);
}

GPU_KERNEL(32) shuffle_in_half_a_warp(float* out) {
  ptx::wait_for_previous_launch();
  if (ptx::lane_index() < 16) out[ptx::thread_index()] = ptx::shuffle_xor(1.0F, 1);
}

GPU_KERNEL(kThreads) barrier_in_a_branch() {
  ptx::wait_for_previous_launch();
  if (ptx::warp_index() == 0) {
    ptx::block_barrier();
  } else {
    ptx::block_barrier();
  }
}

GPU_KERNEL(kThreads) barrier_after_return() {
  ptx::wait_for_previous_launch();
  if (ptx::warp_index() == 1) return;
  ptx::block_barrier();
}

enum class Wait { kFirst, kLate, kInHalf };

/// Hands values through shared memory to the lane beside: all have come to the shuffle before one reads, but a GPU
/// promises only of a barrier that what was written before it is seen behind it.
template <bool kWithBarrier>
GPU_KERNEL(32)
pass_on_in_warp(const float* in, float* out) {
  ptx::wait_for_previous_launch();
  GPU_SHARED(float, values, 32);
  values[ptx::thread_index()] = in[ptx::thread_index()];
  const int other = ptx::shuffle(ptx::lane_index(), ptx::lane_index() ^ 1);
  if constexpr (kWithBarrier) ptx::warp_barrier();
  out[ptx::thread_index()] = values[other];
}

/// Copies into the memory that other warps may still be reading.
template <bool kWithBarrier>
GPU_KERNEL(64)
copy_twice(const float* in, float* out) {
  ptx::wait_for_previous_launch();
  GPU_SHARED(float, staged, 4 * 64);
  for (int round = 0; round < 2; ++round) {
    const int begin = 4 * ptx::thread_index();
    ptx::copy_async_16(staged + begin, in + begin);
    ptx::close_copy_group();
    ptx::wait_copy_groups<0>();
    ptx::block_barrier();
    out[round * 64 + ptx::thread_index()] = staged[begin / 4];
    if constexpr (kWithBarrier) ptx::block_barrier();
  }
}

/// Every thread of every block adds to the same number.
template <bool kAtomically>
GPU_KERNEL(32)
count_threads(std::uint64_t* count) {
  ptx::wait_for_previous_launch();
  if constexpr (kAtomically) {
    ptx::atomic_add(count, 1);
  } else {
    *count += 1;
  }
}

/// Neighbours write to the halves of a word.
GPU_KERNEL(64) write_halves(std::uint16_t* out) {
  ptx::wait_for_previous_launch();
  out[ptx::thread_index()] = static_cast<std::uint16_t>(ptx::thread_index());
}

/// Doubles what the kernel before it may still be writing.
template <Wait kWait>
GPU_KERNEL(32)
double_in_place(float* values) {
  if (kWait == Wait::kFirst) ptx::wait_for_previous_launch();
  if (kWait == Wait::kInHalf && ptx::lane_index() < 16) ptx::wait_for_previous_launch();
  values[ptx::block_x() * 32 + ptx::thread_index()] *= 2;
  if (kWait == Wait::kLate) ptx::wait_for_previous_launch();
}

GPU_KERNEL(32) do_nothing() {}

GPU_KERNEL(32) prefetch_and_wait(const float* values, int index) {
  ptx::prefetch_line(values + index);
  ptx::wait_for_previous_launch();
}

/// Whether `launch` gives `expected` under every schedule.
template <typename Launch>
bool always_gives(const std::vector<float>& expected, Launch launch) {
  bool equal = true;
  under_schedules([&] {
    Output<float> out(expected.size());
    launch(out.data());
    equal = equal && out.values() == expected;
  });
  return equal;
}

/// Looks for races at the end again.
struct Unwatched {
  Unwatched() { gpuinfer::simt::watch_accesses(false); }
  ~Unwatched() { gpuinfer::simt::watch_accesses(true); }
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};

/// The race that is found in `launch`; empty: none.
template <typename Launch>
std::string race_in(Launch launch) {
  try {
    launch();
  } catch (const Failure& failure) {
    return failure.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a missing barrier between a write and a read gives wrong results") {
  const Unwatched unwatched;
  const Input<float> in(counting(kThreads));
  std::vector<float> expected = counting(kThreads);
  std::rotate(expected.begin(), expected.end() - 1, expected.end());
  CHECK(always_gives(
      expected, [&](float* out) { ptx::launch("f", pass_on<true>, {.threads = kThreads}, nullptr, in.data(), out); }));
  CHECK_FALSE(always_gives(
      expected, [&](float* out) { ptx::launch("f", pass_on<false>, {.threads = kThreads}, nullptr, in.data(), out); }));
}

TEST_CASE("a missing barrier between a read and the next write gives wrong results") {
  const Unwatched unwatched;
  constexpr int kRounds = 8;
  const Input<float> in(counting(kThreads));
  std::vector<float> expected;
  for (int round = 0; round < kRounds; ++round) {
    expected.insert(expected.end(), kThreads, static_cast<float>(round * kThreads * (kThreads + 1) / 2));
  }
  CHECK(always_gives(expected, [&](float* out) {
    ptx::launch("f", sum_rounds<true>, {.threads = kThreads}, nullptr, in.data(), out, kRounds);
  }));
  CHECK_FALSE(always_gives(expected, [&](float* out) {
    ptx::launch("f", sum_rounds<false>, {.threads = kThreads}, nullptr, in.data(), out, kRounds);
  }));
}

TEST_CASE("a block that takes itself for the last one gives wrong results, and so does a wrong number of blocks") {
  const Unwatched unwatched;
  constexpr int kBlocks = 6;
  const auto add = [](auto kernel, int expected_blocks) {
    return [=](float* out) {
      Output<float> parts(kBlocks);
      Output<std::uint32_t> arrivals(std::vector<std::uint32_t>{0});
      ptx::launch("f", kernel, {.x = kBlocks, .threads = 32}, nullptr, parts.data(), arrivals.data(), expected_blocks,
                  out);
    };
  };
  CHECK(always_gives({15}, add(add_blocks<true>, kBlocks)));
  CHECK_FALSE(always_gives({15}, add(add_blocks<false>, kBlocks)));
  CHECK_FALSE(always_gives({15}, add(add_blocks<true>, kBlocks - 1)));
}

TEST_CASE("two threads that access the same memory without a barrier between are named, whatever comes of it") {
  if (!gpuinfer::simt::sees_accesses()) return;
  const Input<float> in(counting(4 * kThreads));
  Output<float> out(8 * kThreads);
  const auto race_of = [&](auto kernel, int threads, auto... arguments) {
    return race_in(
        [&] { ptx::launch("f", kernel, {.threads = threads}, nullptr, in.data(), out.data(), arguments...); });
  };
  CHECK(race_of(pass_on<true>, kThreads) == "");
  CHECK_THAT(race_of(pass_on<false>, kThreads), Contains("kernel f") && Contains("no barrier lies between"));
  CHECK(race_of(sum_rounds<true>, kThreads, 2) == "");
  CHECK_THAT(race_of(sum_rounds<false>, kThreads, 2),
             Contains("writes what thread") && Contains("read, and no barrier"));
  CHECK(race_of(pass_on_in_warp<true>, 32) == "");
  CHECK_THAT(race_of(pass_on_in_warp<false>, 32), Contains("reads what thread") && Contains("wrote, and no barrier"));
  CHECK(race_of(copy_twice<true>, 64) == "");
  CHECK_THAT(race_of(copy_twice<false>, 64), Contains("writes what thread") && Contains("read, and no barrier"));
}

TEST_CASE("blocks of a launch that access the same memory are named, unless they do it atomically") {
  if (!gpuinfer::simt::sees_accesses()) return;
  Output<std::uint64_t> count(std::vector<std::uint64_t>{0});
  const auto race_of = [&](auto kernel, const ptx::Grid& grid) {
    return race_in([&] { ptx::launch("f", kernel, grid, nullptr, count.data()); });
  };
  CHECK(race_of(count_threads<true>, {.x = 3, .threads = 32}) == "");
  CHECK(race_of(count_threads<true>, {.x = 3, .threads = 32}) == "");
  CHECK(count.values()[0] == 192);
  CHECK_THAT(race_of(count_threads<false>, {.threads = 32}), Contains("no barrier lies between"));
  Output<float> out(32);
  const auto write = [&](std::int64_t blocks) {
    return race_in([&] { ptx::launch("f", write_to, {.x = blocks, .threads = 32}, nullptr, out.data(), 5); });
  };
  CHECK(write(1) == "");
  CHECK(write(1) == "");  // One launch comes after the other.
  CHECK_THAT(write(2), Contains("writes what another block of the launch wrote"));
  Output<float> parts(6);
  const auto add = [&](auto kernel) {
    Output<std::uint32_t> arrivals(std::vector<std::uint32_t>{0});
    return race_in([&] {
      ptx::launch("f", kernel, {.x = 6, .threads = 32}, nullptr, parts.data(), arrivals.data(), 6, out.data());
    });
  };
  CHECK(add(add_blocks<true>) == "");
  CHECK_THAT(add(add_blocks<false>), Contains("another block of the launch"));
}

TEST_CASE("threads that write to neighbours in memory do not race") {
  Output<std::uint16_t> out(64);
  CHECK(race_in([&] { ptx::launch("f", write_halves, {.threads = 64}, nullptr, out.data()); }) == "");
  CHECK(out.values()[63] == 63);
}

TEST_CASE("an asynchronous copy that is read before its wait is NaN") {
  const Input<float> in(counting(4 * 32));
  const std::vector<float> expected = counting(4 * 32);
  CHECK(always_gives(expected, [&](float* out) {
    ptx::launch("f", copy_through_shared<true>, {.threads = 32}, nullptr, in.data(), out);
  }));
  Output<float> out(expected.size());
  ptx::launch("f", copy_through_shared<false>, {.threads = 32}, nullptr, in.data(), out.data());
  for (const float value : out.values()) CHECK(std::isnan(value));
}

TEST_CASE("a thread that ends while its copies are under way is named") {
  const Input<float> in(counting(4 * 32));
  CHECK_THROWS_WITH(ptx::launch("f", copy_without_waiting_at_all, {.threads = 32}, nullptr, in.data()),
                    Contains("ends before its asynchronous copies have arrived"));
}

TEST_CASE("a read behind a buffer names kernel, block and thread") {
  const Input<float> in(counting(32));
  Output<float> out(32);
  ptx::launch("copy", copy_shifted, {.threads = 32}, nullptr, in.data(), out.data(), 0);
  CHECK(out.values() == counting(32));
  CHECK_THROWS_WITH(
      ptx::launch("copy", copy_shifted, {.threads = 32}, nullptr, in.data(), out.data(), 1),
      Contains("kernel copy") && Contains("block (0, 0, 0), thread 31 touches memory outside of its buffers"));
}

TEST_CASE("what lies between the end of a buffer and its page is NaN") {
  const Input<float> in(counting(31));
  Output<float> out(32);
  ptx::launch("f", copy_shifted, {.threads = 32}, nullptr, in.data(), out.data(), 0);
  CHECK(std::isnan(out.values().back()));
}

TEST_CASE("a write beside a buffer is caught at once or when the buffer is read") {
  Output<float> out(31);
  CHECK_THROWS_AS(ptx::launch("f", write_to, {.threads = 32}, nullptr, out.data(), 32), Failure);
  ptx::launch("f", write_to, {.threads = 32}, nullptr, out.data(), 31);
  CHECK_THROWS_WITH(out.values(), Contains("behind the end"));
  Output<float> other(31);
  ptx::launch("f", write_to, {.threads = 32}, nullptr, other.data(), -1);
  CHECK_THROWS_WITH(other.values(), Contains("before the beginning"));
}

TEST_CASE("a write to an input is caught") {
  const Input<float> in(counting(32));
  CHECK_THROWS_AS(ptx::launch("f", write_to, {.threads = 32}, nullptr, const_cast<float*>(in.data()), 0), Failure);
}

TEST_CASE("a write beside shared memory is caught") {
  ptx::launch("f", write_to_shared, {.threads = 32}, nullptr, 31);
  CHECK_THROWS_AS(ptx::launch("f", write_to_shared, {.threads = 32}, nullptr, 32), Failure);
  CHECK_THROWS_WITH(ptx::launch("f", write_to_shared, {.threads = 32}, nullptr, -1), Contains("before the beginning"));
}

TEST_CASE("what a kernel does not write stays NaN") {
  Output<float> out(32);
  ptx::launch("f", write_to, {.threads = 32}, nullptr, out.data(), 3);
  CHECK(std::isnan(out.values()[2]));
  CHECK(out.values()[3] == 1);
}

TEST_CASE("an unaligned load of 16 bytes is named") {
  const Input<float> in(counting(8));
  Output<float> out(32);
  ptx::launch("f", load_four, {.threads = 32}, nullptr, in.data(), out.data(), 4);
  CHECK(out.values()[0] == 5);
  CHECK_THROWS_WITH(ptx::launch("f", load_four, {.threads = 32}, nullptr, in.data(), out.data(), 2),
                    Contains("not aligned"));
}

TEST_CASE("a shuffle from a lane that does not exist is named") {
  Output<float> out(32);
  CHECK_THROWS_WITH(ptx::launch("f", ask_lane, {.threads = 32}, nullptr, out.data(), 1),
                    Contains("thread 31 asks for lane 32"));
}

TEST_CASE("a collective that half a warp comes to is named") {
  Output<float> out(32);
  CHECK_THROWS_WITH(ptx::launch("f", shuffle_in_half_a_warp, {.threads = 32}, nullptr, out.data()),
                    Contains("waits for ever at faults_test.cpp:") && Contains("thread 16 has ended"));
}

TEST_CASE("barriers in two branches, and one that some threads never reach, are named") {
  CHECK_THROWS_WITH(ptx::launch("f", barrier_in_a_branch, {.threads = kThreads}, nullptr),
                    Contains("waits for ever at faults_test.cpp:"));
  CHECK_THROWS_WITH(ptx::launch("f", barrier_after_return, {.threads = kThreads}, nullptr),
                    Contains("thread 32 has ended"));
}

TEST_CASE("a kernel that touches memory before it has waited for the one before it is named") {
  Output<float> out(counting(64));
  ptx::launch("f", double_in_place<Wait::kFirst>, {.x = 2, .threads = 32}, nullptr, out.data());
  CHECK(out.values()[63] == 128);
  CHECK_THROWS_WITH(ptx::launch("f", double_in_place<Wait::kLate>, {.threads = 32}, nullptr, out.data()),
                    Contains("touches memory before it has waited for the kernel before it"));
  CHECK_THROWS_AS(ptx::launch("f", double_in_place<Wait::kInHalf>, {.threads = 32}, nullptr, out.data()), Failure);
  CHECK(out.values()[63] == 128);
}

TEST_CASE("a kernel that ends without having waited for the one before it is named") {
  CHECK_THROWS_WITH(ptx::launch("f", do_nothing, {.threads = 32}, nullptr),
                    Contains("ends without having waited for the kernel before it"));
}

TEST_CASE("only what lies in a buffer is prefetched") {
  const Input<float> in(counting(32));
  ptx::launch("f", prefetch_and_wait, {.threads = 32}, nullptr, in.data(), 31);
  CHECK_THROWS_WITH(ptx::launch("f", prefetch_and_wait, {.threads = 32}, nullptr, in.data(), 32),
                    Contains("prefetches what lies in no buffer"));
}

TEST_CASE("a grid that no GPU has is refused, an empty one does nothing") {
  CHECK_THROWS_AS(ptx::launch("f", barrier_in_a_branch, {.y = 1 << 16, .threads = kThreads}, nullptr),
                  std::invalid_argument);
  CHECK_THROWS_AS(ptx::launch("f", barrier_in_a_branch, {.threads = 33}, nullptr), std::invalid_argument);
  ptx::launch("f", barrier_in_a_branch, {.x = 0, .threads = kThreads}, nullptr);
}
