// Planted faults: the mistakes that kernels are checked for under this harness, each in a small kernel, each caught.
#include <cmath>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "runtime/backend/cuda/ptx/arrival.cuh"
#include "runtime/backend/cuda/ptx/async_copy.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/memory.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"
#include "runtime/backend/cuda/ptx/warp.cuh"
#include "runtime/backend/cuda/reduce.cuh"
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
  out[index] = 1;
}

GPU_KERNEL(32) write_to_shared(int index) {
  ptx::wait_for_previous_launch();
  GPU_SHARED(float, values, 32);
  values[index] = 1;
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

/// Doubles what the kernel before it may still be writing.
template <Wait kWait>
GPU_KERNEL(32)
double_in_place(float* values) {
  if (kWait == Wait::kFirst) ptx::wait_for_previous_launch();
  if (kWait == Wait::kInHalf && ptx::lane_index() < 16) ptx::wait_for_previous_launch();
  values[ptx::thread_index()] *= 2;
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

}  // namespace

TEST_CASE("a missing barrier between a write and a read gives wrong results") {
  const Input<float> in(counting(kThreads));
  std::vector<float> expected = counting(kThreads);
  std::rotate(expected.begin(), expected.end() - 1, expected.end());
  CHECK(always_gives(
      expected, [&](float* out) { ptx::launch("f", pass_on<true>, {.threads = kThreads}, nullptr, in.data(), out); }));
  CHECK_FALSE(always_gives(
      expected, [&](float* out) { ptx::launch("f", pass_on<false>, {.threads = kThreads}, nullptr, in.data(), out); }));
}

TEST_CASE("a missing barrier between a read and the next write gives wrong results") {
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
  Output<float> out(counting(32));
  ptx::launch("f", double_in_place<Wait::kFirst>, {.x = 2, .threads = 32}, nullptr, out.data());
  CHECK(out.values()[31] == 128);
  CHECK_THROWS_WITH(ptx::launch("f", double_in_place<Wait::kLate>, {.threads = 32}, nullptr, out.data()),
                    Contains("touches memory before it has waited for the kernel before it"));
  CHECK_THROWS_AS(ptx::launch("f", double_in_place<Wait::kInHalf>, {.threads = 32}, nullptr, out.data()), Failure);
  CHECK(out.values()[31] == 128);
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
