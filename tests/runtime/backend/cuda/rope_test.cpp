// compute_rope_angles() and rotate_and_store() against their definitions in double precision.
#include "runtime/backend/cuda/rope.hpp"

#include <cmath>
#include <numbers>

#include "catch.hpp"
#include "runtime/backend/backend.hpp"
#include "simt/buffer.hpp"
#include "simt/compare.hpp"
#include "simt/random_values.hpp"
#include "simt/schedule.hpp"

namespace gpuinfer::backend::cuda {
namespace {

constexpr float kEpsilon = 1e-6F;
constexpr std::int64_t kPages = 5;

/// Results and expectations of one launch: queries, and whole caches in which a slot without a token stays NaN.
struct Case {
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_dim;
  bool norms;
  std::vector<std::int32_t> slots;

  std::vector<float> qkv, q_norm, k_norm, cosines, sines;

  Case(std::int64_t q, std::int64_t kv, std::int64_t dimension, bool with_norms, std::vector<std::int32_t> where)
      : heads(q), kv_heads(kv), head_dim(dimension), norms(with_norms), slots(std::move(where)) {
    simt::RandomValues random(3);
    qkv = random.floats(tokens() * (heads + 2 * kv_heads) * head_dim, 0, 2);
    q_norm = random.floats(head_dim, 1, 0.1F);
    k_norm = random.floats(head_dim, 1, 0.1F);
    cosines = random.floats(tokens() * head_dim / 2);
    sines = random.floats(tokens() * head_dim / 2);
  }

  std::int64_t tokens() const { return std::ssize(slots); }
  std::int64_t cache_size() const { return kPages * kPageTokens * kv_heads * head_dim; }

  std::vector<double> head(std::int64_t token, std::int64_t index) const {
    const auto begin = qkv.begin() + (token * (heads + 2 * kv_heads) + index) * head_dim;
    return {begin, begin + head_dim};
  }

  std::vector<double> rotated(std::int64_t token, std::int64_t index, const std::vector<float>& weight) const {
    std::vector<double> x = head(token, index);
    if (norms) {
      double squares = 0;
      for (const double value : x) squares += value * value;
      const double scale = 1 / std::sqrt(squares / static_cast<double>(head_dim) + simt::to_double(kEpsilon));
      for (std::size_t i = 0; i < x.size(); ++i) x[i] *= scale * simt::to_double(weight[i]);
    }
    const std::size_t half = x.size() / 2;
    for (std::size_t i = 0; i < half; ++i) {
      const double cosine = simt::to_double(cosines[static_cast<std::size_t>(token) * half + i]);
      const double sine = simt::to_double(sines[static_cast<std::size_t>(token) * half + i]);
      const double first = x[i];
      x[i] = first * cosine - x[i + half] * sine;
      x[i + half] = x[i + half] * cosine + first * sine;
    }
    return x;
  }

  /// Where a token's head begins in a cache.
  std::int64_t cached(std::int64_t token, std::int64_t kv_head) const {
    const std::int64_t slot = slots[static_cast<std::size_t>(token)];
    return ((slot / kPageTokens * kv_heads + kv_head) * kPageTokens + slot % kPageTokens) * head_dim;
  }
};

struct Result {
  std::vector<Bfloat16> queries, keys, values;
};

Result run(const Case& test) {
  const simt::Input qkv(test.qkv);
  const simt::Input q_norm(test.q_norm);
  const simt::Input k_norm(test.k_norm);
  const simt::Input cosines(test.cosines);
  const simt::Input sines(test.sines);
  const simt::Input slots(test.slots);
  simt::Output<Bfloat16> queries(static_cast<std::size_t>(test.tokens() * test.heads * test.head_dim));
  simt::Output<Bfloat16> keys(static_cast<std::size_t>(test.cache_size()));
  simt::Output<Bfloat16> values(static_cast<std::size_t>(test.cache_size()));
  rotate_and_store({.qkv = qkv.data(),
                    .q_norm = test.norms ? q_norm.data() : nullptr,
                    .k_norm = test.norms ? k_norm.data() : nullptr,
                    .cosines = cosines.data(),
                    .sines = sines.data(),
                    .slots = slots.data(),
                    .queries = queries.data(),
                    .keys = keys.data(),
                    .values = values.data(),
                    .tokens = test.tokens(),
                    .heads = test.heads,
                    .kv_heads = test.kv_heads,
                    .head_dim = test.head_dim,
                    .epsilon = kEpsilon},
                   nullptr);
  return {queries.values(), keys.values(), values.values()};
}

std::vector<Bfloat16> part(const std::vector<Bfloat16>& values, std::int64_t begin, std::int64_t count) {
  return {values.begin() + begin, values.begin() + begin + count};
}

std::int64_t written(const std::vector<Bfloat16>& cache) {
  return std::ranges::count_if(cache, [](Bfloat16 value) { return !std::isnan(simt::to_double(value)); });
}

void check(const Case& test) {
  simt::under_schedules([&] {
    const Result result = run(test);
    const auto head = [&](const std::vector<Bfloat16>& values, std::int64_t begin,
                          const std::vector<double>& expected) {
      CHECK(simt::largest_error(part(values, begin, test.head_dim), expected) < simt::kBfloat16Tolerance);
    };
    for (std::int64_t token = 0; token < test.tokens(); ++token) {
      for (std::int64_t i = 0; i < test.heads; ++i) {
        head(result.queries, (token * test.heads + i) * test.head_dim, test.rotated(token, i, test.q_norm));
      }
      for (std::int64_t i = 0; i < test.kv_heads; ++i) {
        head(result.keys, test.cached(token, i), test.rotated(token, test.heads + i, test.k_norm));
        head(result.values, test.cached(token, i), test.head(token, test.heads + test.kv_heads + i));
      }
    }
    CHECK(written(result.keys) == test.tokens() * test.kv_heads * test.head_dim);
    CHECK(written(result.values) == test.tokens() * test.kv_heads * test.head_dim);
  });
}

TEST_CASE("queries, keys and values are normalised, rotated and stored, nothing else of the cache is touched") {
  check({64, 8, 64, false, {79}});
  check({5, 1, 128, true, {0, 17, 33}});
  check({4, 2, 256, true, {15, 16}});
  check({3, 3, 10, false, {3, 40, 4, 41}});
}

TEST_CASE("a token's keys are the same bits alone and in a batch") {
  const Case batch(4, 2, 128, true, {7, 20, 66});
  Case alone = batch;
  alone.slots.resize(1);
  const auto same = [](Bfloat16 a, Bfloat16 b) { return a.bits == b.bits; };
  for (std::int64_t head = 0; head < 2; ++head) {
    const std::int64_t begin = batch.cached(0, head);
    CHECK(std::ranges::equal(part(run(alone).keys, begin, 128), part(run(batch).keys, begin, 128), same));
  }
}

TEST_CASE("angles are exact at the far end of a long context") {
  const std::vector<std::int32_t> positions = {0, 1, 127, 4096, 131071};
  std::vector<double> turns;
  for (int i = 0; i < 32; ++i) turns.push_back(std::pow(150000.0, -i / 32.0) / (2 * std::numbers::pi));
  constexpr float kMagnitude = 1.3465736F;
  std::vector<double> cosines;
  std::vector<double> sines;
  for (const std::int32_t position : positions) {
    for (const double turn : turns) {
      const double angle = 2 * std::numbers::pi * turn * position;
      cosines.push_back(simt::to_double(kMagnitude) * std::cos(angle));
      sines.push_back(simt::to_double(kMagnitude) * std::sin(angle));
    }
  }
  const simt::Input turns_on_gpu(turns);
  const simt::Input positions_on_gpu(positions);
  simt::Output<float> cosines_on_gpu(cosines.size());
  simt::Output<float> sines_on_gpu(sines.size());
  compute_rope_angles({.turns_per_position = turns_on_gpu.data(),
                       .magnitude = kMagnitude,
                       .positions = positions_on_gpu.data(),
                       .cosines = cosines_on_gpu.data(),
                       .sines = sines_on_gpu.data(),
                       .tokens = std::ssize(positions),
                       .head_dim = 64},
                      nullptr);
  CHECK(simt::largest_error(cosines_on_gpu.values(), cosines) < 1e-6);
  CHECK(simt::largest_error(sines_on_gpu.values(), sines) < 1e-6);
}

TEST_CASE("the cost of a rotation is what it reads and writes") {
  const RotateAndStore step{.tokens = 2, .heads = 4, .kv_heads = 1, .head_dim = 64};
  CHECK(cost(step) == Cost{.bytes = 2 * 6 * 64 * 6 + 2 * (64 * 4 + 4), .flops = 2 * 5 * 64 * 3});
  CHECK(cost(RopeAngles{.tokens = 2, .head_dim = 64}) == Cost{.bytes = 32 * 8 + 8 + 64 * 8, .flops = 256});
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
