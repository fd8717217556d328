// The host twins of runtime/backend/cuda/ptx do what the instructions do.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "simt/buffer.hpp"
#include "simt/compare.hpp"
#include "simt/random_values.hpp"
#include "simt/schedule.hpp"
#include "simt/wrappers.cuh"

namespace gpuinfer::simt {
namespace {

TEST_CASE("every thread of every block knows its place") {
  under_schedules([] {
    Output<int> out(2 * 3 * 4 * 32 * 3);
    ptx::launch("write_places", write_places, {.x = 2, .y = 3, .z = 4, .threads = 32}, nullptr, out.data());
    const std::vector<int> values = out.values();
    std::size_t i = 0;
    bool right = true;
    for (int block = 0; block < 2 * 3 * 4; ++block) {
      for (int thread = 0; thread < 32; ++thread, i += 3) {
        right = right && values[i] == block % 2 && values[i + 1] == block / 2 % 3 && values[i + 2] == block / 6;
      }
    }
    CHECK(right);
  });
}

TEST_CASE("dynamic shared memory is one for the warp") {
  const std::vector<float> values = RandomValues(1).floats(32);
  const Input<float> in(values);
  under_schedules([&] {
    Output<float> out(32);
    ptx::launch("reverse_warp", reverse_warp, {.threads = 32, .dynamic_shared_bytes = 32 * sizeof(float)}, nullptr,
                in.data(), out.data());
    CHECK(out.values() == std::vector<float>(values.rbegin(), values.rend()));
  });
}

TEST_CASE("shuffles bring the value of the lane that was asked for") {
  const std::vector<float> values = RandomValues(2).floats(32);
  const Input<float> in(values);
  under_schedules([&] {
    Output<float> neighbour(32);
    Output<int> third(32);
    ptx::launch("shuffle_warp", shuffle_warp, {.threads = 32}, nullptr, in.data(), neighbour.data(), third.data());
    for (std::size_t lane = 0; lane < 32; ++lane) {
      CHECK(neighbour.values()[lane] == values[lane ^ 1U]);
      CHECK(third.values()[lane] == static_cast<int>((lane + 3) % 32));
    }
  });
}

TEST_CASE("asynchronous copies arrive when their group is waited for") {
  constexpr int kTiles = 5;
  const std::vector<float> values = RandomValues(3).floats(kTiles * 128);
  const Input<float> in(values);
  under_schedules([&] {
    Output<float> out(128);
    ptx::launch("sum_tiles", sum_tiles, {.threads = 32}, nullptr, in.data(), kTiles, out.data());
    for (std::size_t column = 0; column < 128; ++column) {
      float sum = 0;
      for (std::size_t tile = 0; tile < kTiles; ++tile) sum += values[tile * 128 + column];
      CHECK(out.values()[column] == sum);
    }
  });
}

TEST_CASE("float32 is rounded to the nearest bfloat16, to the even one of two") {
  std::vector<float> values = RandomValues(4).floats(256);
  values[0] = 1 + 0x1p-8F;             // between 1 and the next number: 1 is even
  values[1] = 1 + 0x1p-7F + 0x1p-8F;   // the upper neighbour is even
  values[2] = 1 + 0x1p-8F + 0x1p-20F;  // above the middle
  values[3] = std::numeric_limits<float>::max();
  values[4] = -0.0F;
  const Input<float> in(values);
  Output<backend::cuda::Bfloat16> out(256);
  ptx::launch("round_to_bfloat16", round_to_bfloat16, {.threads = 32}, nullptr, in.data(), out.data());
  const auto rounded = out.values();
  CHECK(to_float(rounded[0]) == 1);
  CHECK(to_float(rounded[1]) == 1 + 0x1p-6F);
  CHECK(to_float(rounded[2]) == 1 + 0x1p-7F);
  CHECK(std::isinf(to_float(rounded[3])));
  CHECK(rounded[4].bits == 0x8000);
  for (std::size_t i = 5; i < values.size(); ++i) {
    CHECK(std::abs(to_float(rounded[i]) - values[i]) <= std::abs(values[i]) / 256);
  }
}

TEST_CASE("what many threads add to one place is all there") {
  std::vector<std::uint64_t> values(128);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += values[i] = (i + 1) << 33;
  const Input<std::uint64_t> in(values);
  under_schedules([&] {
    Output<std::uint64_t> out(1);
    ptx::launch("add_atomically", add_atomically, {.threads = 64}, nullptr, in.data(), out.data());
    CHECK(out.values()[0] == sum);
  });
}

TEST_CASE("the last block to come sees what all have written, in one launch after the other") {
  constexpr std::size_t kBlocks = 7;
  std::vector<int> values(kBlocks * 64);
  std::vector<int> sums(64);
  for (std::size_t i = 0; i < values.size(); ++i) sums[i % 64] += values[i] = static_cast<int>(i * i);
  const Input<int> in(values);
  under_schedules([&] {
    Output<std::uint32_t> arrivals(std::vector<std::uint32_t>{0});
    for (int launch = 0; launch < 3; ++launch) {
      Output<int> parts(values.size());
      Output<int> out(64);
      ptx::launch("add_in_last_block", add_in_last_block, {.x = kBlocks, .threads = 64}, nullptr, in.data(),
                  parts.data(), arrivals.data(), static_cast<int>(kBlocks), out.data());
      CHECK(out.values() == sums);
      CHECK(arrivals.values()[0] == 0);
    }
  });
}

TEST_CASE("a product is rounded before something is added to it") {
  const Input<float> factors(std::vector<float>(32, 1 + 0x1p-12F));
  const Input<float> others(std::vector<float>(32, -1 - 0x1p-11F));
  Output<float> out(32);
  ptx::launch("multiply_then_add", multiply_then_add, {.threads = 32}, nullptr, factors.data(), factors.data(),
              others.data(), out.data());
  CHECK(out.values() == std::vector<float>(32, 0));
}

TEST_CASE("what was stored is there to be loaded again") {
  const std::vector<float> values = RandomValues(8).floats(128);
  under_schedules([&] {
    Output<float> there(values);
    ptx::launch("move_there_and_back", move_there_and_back, {.threads = 32}, nullptr, there.data());
    CHECK(there.values() == values);
  });
}

TEST_CASE("a kernel sees what the one before it wrote when it has waited for it") {
  under_schedules([] {
    Output<float> numbers(std::vector<float>(32, 5));
    for (int i = 0; i < 2; ++i) {
      ptx::launch("add_one_after_wait", add_one_after_wait, {.threads = 32}, nullptr, numbers.data());
    }
    CHECK(numbers.values() == std::vector<float>(32, 7));
  });
}

TEST_CASE("powers of two are zero where they are no normal number") {
  std::vector<float> values = RandomValues(7).floats(128, 0, 20);
  values[0] = -std::numeric_limits<float>::infinity();
  values[1] = -127;
  values[2] = -126;
  const Input<float> in(values);
  Output<float> out(128);
  ptx::launch("raise_two", raise_two, {.threads = 32}, nullptr, in.data(), out.data());
  CHECK(out.values()[0] == 0);
  CHECK(out.values()[1] == 0);
  CHECK(out.values()[2] == 0x1p-126F);
  for (std::size_t i = 3; i < values.size(); ++i) {
    const float power = std::exp2(values[i]);
    CHECK(std::abs(out.values()[i] - power) <= power * 0x1p-22F);
  }
}

TEST_CASE("a ballot has the bit of every lane whose condition is true") {
  const std::vector<float> values = RandomValues(5).floats(32);
  const Input<float> in(values);
  under_schedules([&] {
    Output<int> out(32);
    ptx::launch("count_positive_below", count_positive_below, {.threads = 32}, nullptr, in.data(), out.data());
    for (std::ptrdiff_t lane = 0; lane < 32; ++lane) {
      CHECK(out.values()[static_cast<std::size_t>(lane)] ==
            std::count_if(values.begin(), values.begin() + lane, [](float value) { return value > 0; }));
    }
  });
}

TEST_CASE("pairs of bfloat16 are multiplied each by its own, subnormal ones too") {
  std::vector<std::uint32_t> a(32, 0x3F804000);  // 2 below, 1 above
  std::vector<std::uint32_t> b(32, 0x4040C0A0);  // -5, 3
  a[1] = 0x80400040, b[1] = 0x7E807E80;          // 2^-127 and its opposite, by 2^126
  a[2] = 0x3F813F81, b[2] = 0x3F813FC1;          // (1 + 2^-7)², and by 1.5 + 2^-7: both rounded
  const Input<std::uint32_t> a_on_gpu(a);
  const Input<std::uint32_t> b_on_gpu(b);
  Output<std::uint32_t> out(32);
  ptx::launch("multiply_pairs", multiply_pairs, {.threads = 32}, nullptr, a_on_gpu.data(), b_on_gpu.data(), out.data());
  CHECK(out.values()[0] == 0x4040C120);
  CHECK(out.values()[1] == 0xBF003F00);
  CHECK(out.values()[2] == 0x3F823FC3);
}

TEST_CASE("tensor cores multiply matrices whose parts lie where the instruction expects them") {
  RandomValues random(6);
  const auto a = random.bfloat16s(16 * 16);
  const auto b = random.bfloat16s(16 * 8);
  const auto c = random.floats(16 * 8);
  std::vector<double> expected;
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t j = 0; j < 8; ++j) {
      double sum = to_double(c[i * 8 + j]);
      for (std::size_t k = 0; k < 16; ++k) sum += to_double(a[i * 16 + k]) * to_double(b[k * 8 + j]);
      expected.push_back(sum);
    }
  }
  const Input a_on_gpu(a);
  const Input b_on_gpu(b);
  under_schedules([&] {
    Output<float> out(c);
    ptx::launch("multiply_matrices", multiply_matrices, {.threads = 32}, nullptr, a_on_gpu.data(), b_on_gpu.data(),
                out.data());
    CHECK(largest_error(out.values(), expected) < 1e-6);
  });
}

}  // namespace
}  // namespace gpuinfer::simt
