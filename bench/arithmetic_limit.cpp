// How many multiply-adds this machine's vector units do in a second: the roof of every prompt figure in bench/.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "runtime/backend/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/arithmetic_limit.cpp"
#include "hwy/foreach_target.h"  // before the headers that follow

#include "hwy/highway.h"
#include "runtime/backend/cpu/multiply_pairs-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gpuinfer::backend::HWY_NAMESPACE {
namespace {

/// Sums that are independent of each other: more than a unit's latency times its throughput.
constexpr int kSums = 10;

/// Multiply-adds of `rounds` rounds in float32.
std::int64_t multiply_floats(std::int64_t rounds, float& sink) {
  const F32 f32;
  const auto factor = hn::Set(f32, sink);
  hn::Vec<F32> sums[kSums];
  for (auto& sum : sums) sum = factor;
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 10
    for (auto& sum : sums) sum = hn::MulAdd(sum, factor, factor);
  }
  for (const auto& sum : sums) sink += hn::GetLane(sum);
  return rounds * kSums * static_cast<std::int64_t>(hn::Lanes(f32));
}

/// Of 16-bit integers to 32-bit sums.
std::int64_t multiply_integers(std::int64_t rounds, float& sink) {
  const I16 i16;
  const auto factor = hn::Set(i16, static_cast<std::int16_t>(sink));
  hn::Vec<I32> sums[kSums];
  for (auto& sum : sums) sum = hn::Zero(I32());
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 10
    for (auto& sum : sums) sum = add_products(sum, factor, hn::BitCast(i16, sum));
  }
  for (const auto& sum : sums) sink += static_cast<float>(hn::GetLane(sum));
  return rounds * kSums * static_cast<std::int64_t>(hn::Lanes(i16));
}

}  // namespace
}  // namespace gpuinfer::backend::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gpuinfer::backend {
namespace {

HWY_EXPORT(multiply_floats);
HWY_EXPORT(multiply_integers);

/// Multiply-adds per second of `threads` threads; the best of several tries.
template <typename Function>
double measure(int threads, const Function& function) {
  constexpr std::int64_t kRounds = 2'000'000;
  double best = 0;
  for (int attempt = 0; attempt < 7; ++attempt) {
    std::atomic<std::int64_t> done{0};
    std::atomic<float> result{0};
    const auto start = std::chrono::steady_clock::now();
    {
      std::vector<std::jthread> pool;
      for (int t = 0; t < threads; ++t) {
        pool.emplace_back([&] {
          float sink = 1e-9F;
          done += function(kRounds, sink);
          result = sink;
        });
      }
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, static_cast<double>(done) / seconds);
  }
  return best;
}

}  // namespace
}  // namespace gpuinfer::backend

int main(int argc, char** argv) {
  using namespace gpuinfer::backend;
  const int threads = argc > 1 ? std::atoi(argv[1]) : static_cast<int>(std::thread::hardware_concurrency());
  if (threads < 1) {
    std::fprintf(stderr, "error: the number of threads must be at least 1\n");
    return 2;
  }
  const auto floats = [](std::int64_t rounds, float& sink) {
    return HWY_DYNAMIC_DISPATCH(multiply_floats)(rounds, sink);
  };
  const auto integers = [](std::int64_t rounds, float& sink) {
    return HWY_DYNAMIC_DISPATCH(multiply_integers)(rounds, sink);
  };
  std::printf("%.2f %.2f\n", measure(threads, floats) / 1e9, measure(threads, integers) / 1e9);
}
#endif
