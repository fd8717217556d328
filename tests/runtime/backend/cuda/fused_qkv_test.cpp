// multiply_and_store() gives the bits of multiply() and rotate_and_store(), in one launch and in two.
#include "runtime/backend/cuda/fused_qkv.hpp"

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "runtime/backend/backend.hpp"
#include "simt/buffer.hpp"
#include "simt/random_values.hpp"
#include "simt/schedule.hpp"

namespace gpuinfer::backend::cuda {
namespace {

constexpr std::int64_t kPages = 4;
/// Of different sequences, and some of one that goes on in another page; one more than fit into one launch.
const std::vector<std::int32_t> kSlots = {15, 47, 48, 49, 0, 31, 32, 63, 7};

struct Case {
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_dim;
  std::int64_t columns;
  bool with_norms;
  bool with_bias;

  std::int64_t all_heads() const { return heads + 2 * kv_heads; }
};

struct Result {
  std::vector<float> qkv;
  std::vector<Bfloat16> queries, keys, values;
};

bool same_bits(const std::vector<Bfloat16>& a, const std::vector<Bfloat16>& b) {
  return std::ranges::equal(a, b, {}, &Bfloat16::bits, &Bfloat16::bits);
}

/// A layer of a test, with inputs for as many tokens as there are slots.
class Layer {
 public:
  explicit Layer(const Case& test)
      : test_(test),
        weight_(random_.bfloat16s(rows() * test.columns, 0, 0.1F)),
        bias_(random_.floats(rows())),
        x_(random_.bfloat16s(most_tokens() * test.columns)),
        q_norm_(random_.floats(test.head_dim, 1, 0.1F)),
        k_norm_(random_.floats(test.head_dim, 1, 0.1F)),
        cosines_(random_.floats(most_tokens() * test.head_dim / 2)),
        sines_(random_.floats(most_tokens() * test.head_dim / 2)),
        slots_(kSlots),
        arrivals_(std::vector<std::uint32_t>(static_cast<std::size_t>(test.all_heads()))) {}

  std::int64_t most_tokens() const { return std::ssize(kSlots); }

  /// Of `tokens` tokens from `first` on.
  Result run(std::int64_t first, std::int64_t tokens, const std::function<void(const FusedQkv&)>& launch) {
    simt::Output<float> qkv(static_cast<std::size_t>(tokens * rows()));
    simt::Output<Bfloat16> queries(static_cast<std::size_t>(tokens * test_.heads * test_.head_dim));
    const auto cache_size = static_cast<std::size_t>(kPages * kPageTokens * test_.kv_heads * test_.head_dim);
    simt::Output<Bfloat16> keys(cache_size);
    simt::Output<Bfloat16> values(cache_size);
    launch({.product = {.weight = weight_.data(),
                        .bias = test_.with_bias ? bias_.data() : nullptr,
                        .x = x_.data() + first * test_.columns,
                        .out = qkv.data(),
                        .tokens = tokens,
                        .rows = rows(),
                        .columns = test_.columns},
            .storing = {.qkv = qkv.data(),
                        .q_norm = test_.with_norms ? q_norm_.data() : nullptr,
                        .k_norm = test_.with_norms ? k_norm_.data() : nullptr,
                        .cosines = cosines_.data() + first * test_.head_dim / 2,
                        .sines = sines_.data() + first * test_.head_dim / 2,
                        .slots = slots_.data() + first,
                        .queries = queries.data(),
                        .keys = keys.data(),
                        .values = values.data(),
                        .tokens = tokens,
                        .heads = test_.heads,
                        .kv_heads = test_.kv_heads,
                        .head_dim = test_.head_dim,
                        .epsilon = 1e-6F},
            .arrivals = arrivals_.data()});
    CHECK(std::ranges::count(arrivals_.values(), 0U) == test_.all_heads());
    return {qkv.values(), queries.values(), keys.values(), values.values()};
  }

 private:
  std::int64_t rows() const { return test_.all_heads() * test_.head_dim; }

  Case test_;
  simt::RandomValues random_{23};
  simt::Input<Bfloat16> weight_;
  simt::Input<float> bias_;
  simt::Input<Bfloat16> x_;
  simt::Input<float> q_norm_;
  simt::Input<float> k_norm_;
  simt::Input<float> cosines_;
  simt::Input<float> sines_;
  simt::Input<std::int32_t> slots_;
  simt::Output<std::uint32_t> arrivals_;
};

void in_one(const FusedQkv& step) { multiply_and_store(step, nullptr); }

void in_two(const FusedQkv& step) {
  multiply(step.product, nullptr);
  rotate_and_store(step.storing, nullptr);
}

/// What no kernel wrote is NaN in both.
void check_same(const Result& result, const Result& expected) {
  CHECK(result.qkv == expected.qkv);
  CHECK(same_bits(result.queries, expected.queries));
  CHECK(same_bits(result.keys, expected.keys));
  CHECK(same_bits(result.values, expected.values));
}

void check_batches(const Case& test, const std::vector<std::int64_t>& batches) {
  Layer layer(test);
  simt::under_schedules([&] {
    for (const std::int64_t tokens : batches) {
      INFO(tokens << " tokens, heads of " << test.head_dim);
      check_same(layer.run(0, tokens, in_one), layer.run(0, tokens, in_two));
    }
  });
}

TEST_CASE("one launch stores heads of every size as two do") {
  for (const bool with_norms : {false, true}) {
    for (const bool with_bias : {false, true}) {
      check_batches({3, 1, 32, 24, with_norms, with_bias}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
      check_batches({4, 2, 64, 136, with_norms, with_bias}, {1, 8});
      check_batches({2, 1, 128, 8, with_norms, with_bias}, {1, 5});
      check_batches({1, 1, 256, 40, with_norms, with_bias}, {1, 8});
    }
  }
}

TEST_CASE("heads that are no whole tiles of rows take two launches") { check_batches({2, 1, 24, 8, true, true}, {3}); }

TEST_CASE("a token's head is the same bits alone and in a batch") {
  const Case test{2, 1, 64, 136, true, true};
  Layer layer(test);
  const Result all = layer.run(0, layer.most_tokens(), in_one);
  const auto row = static_cast<std::ptrdiff_t>(test.heads * test.head_dim);
  for (std::int64_t token = 0; token < layer.most_tokens(); ++token) {
    const Result alone = layer.run(token, 1, in_one);
    const auto begin = all.queries.begin() + token * row;
    CHECK(same_bits(alone.queries, {begin, begin + row}));
    const std::int64_t slot = kSlots[static_cast<std::size_t>(token)];
    const std::ptrdiff_t place = slot * test.head_dim;  // There is one key/value head.
    CHECK(same_bits({alone.keys.begin() + place, alone.keys.begin() + place + test.head_dim},
                    {all.keys.begin() + place, all.keys.begin() + place + test.head_dim}));
  }
}

TEST_CASE("columns that a product refuses are refused in one launch too") {
  CHECK_THROWS_AS(multiply_and_store({.product = {.tokens = 1, .rows = 96, .columns = 12},
                                      .storing = {.tokens = 1, .heads = 1, .kv_heads = 1, .head_dim = 32}},
                                     nullptr),
                  std::invalid_argument);
}

TEST_CASE("the cost of both in one launch has q, k and v once") {
  const FusedQkv step{.product = {.tokens = 2, .rows = 6 * 64, .columns = 16},
                      .storing = {.tokens = 2, .heads = 4, .kv_heads = 1, .head_dim = 64}};
  const std::int64_t numbers = 2 * 6 * 64;
  CHECK(cost(step) == Cost{.bytes = (6 * 64 + 2) * 16 * 2 + numbers * (4 + 2) + 2 * (64 * 4 + 4),
                           .flops = 2 * numbers * 16 + 2 * 5 * 64 * 3});
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
