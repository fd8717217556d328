// attend() against its definition in double precision, over pages in random order, and in every way to cut its work.
#include "runtime/backend/cuda/attention.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <stdexcept>

#include "catch.hpp"
#include "runtime/backend/backend.hpp"
#include "runtime/backend/cuda/attention_plan.hpp"
#include "simt/buffer.hpp"
#include "simt/compare.hpp"
#include "simt/random_values.hpp"
#include "simt/schedule.hpp"

namespace gpuinfer::backend::cuda {
namespace {

struct Shape {
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_dim;
  std::int64_t window = 0;
  bool sinks = false;
};

/// The last `tokens` tokens of a sequence of `context`.
struct NewTokens {
  std::int64_t context;
  std::int64_t tokens;
};

constexpr Bfloat16 kNeverWritten{0xFFFF};  // NaN

/// Weights and results are rounded to 8 bits, by at most 2^-8 each; the errors of the weights mostly cancel out.
constexpr double kTolerance = 2 * 0x1p-8;

/// Sequences in a cache: what no token was written to is NaN, pages that no new token sees are not there.
struct Case {
  Shape shape;
  std::vector<NewTokens> sequences;
  float scale;

  std::vector<std::vector<std::int32_t>> page_tables;
  std::vector<Bfloat16> queries, keys, values;
  std::vector<float> sinks;

  Case(const Shape& of, std::vector<NewTokens> with)
      : shape(of), sequences(std::move(with)), scale(1 / std::sqrt(static_cast<float>(of.head_dim))) {
    simt::RandomValues random(5);
    std::int64_t pages = 0;
    std::int64_t tokens = 0;
    for (const NewTokens& sequence : sequences) {
      std::vector<std::int32_t> table;
      for (std::int64_t page = 0; page * kPageTokens < sequence.context; ++page) {
        const bool seen = (page + 1) * kPageTokens > first_seen(sequence.context - sequence.tokens);
        table.push_back(seen ? static_cast<std::int32_t>(pages++) : kNoPage);
      }
      page_tables.push_back(table);
      tokens += sequence.tokens;
    }
    std::vector<std::int32_t> order(static_cast<std::size_t>(pages));
    std::iota(order.begin(), order.end(), 0);
    std::ranges::shuffle(order, std::mt19937_64(6));
    for (auto& table : page_tables) {
      for (std::int32_t& page : table) page = page == kNoPage ? kNoPage : order[static_cast<std::size_t>(page)];
    }

    queries = random.bfloat16s(tokens * shape.heads * shape.head_dim, 0.1F, 2);
    keys = random.bfloat16s(pages * kPageTokens * shape.kv_heads * shape.head_dim);
    values = random.bfloat16s(std::ssize(keys), 0.5F);
    sinks = random.floats(shape.heads, 1, 2);
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const auto end = std::ssize(page_tables[i]) * kPageTokens;
      for (std::int64_t position = sequences[i].context; position < end; ++position) {
        for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
          std::fill_n(keys.begin() + place(i, position, head), shape.head_dim, kNeverWritten);
          std::fill_n(values.begin() + place(i, position, head), shape.head_dim, kNeverWritten);
        }
      }
    }
  }

  std::int64_t first_seen(std::int64_t position) const {
    return shape.window > 0 ? std::max<std::int64_t>(0, position + 1 - shape.window) : 0;
  }

  /// Where a position's key and value lie in the caches.
  std::int64_t place(std::size_t sequence, std::int64_t position, std::int64_t kv_head) const {
    const std::int64_t page = page_tables[sequence][static_cast<std::size_t>(position / kPageTokens)];
    return ((page * shape.kv_heads + kv_head) * kPageTokens + position % kPageTokens) * shape.head_dim;
  }

  std::int64_t row_size() const { return shape.heads * shape.head_dim; }

  /// All new tokens of a sequence, or of all.
  std::vector<AttentionSlice> slices() const {
    std::vector<AttentionSlice> result;
    std::int64_t token = 0;
    std::int64_t table = 0;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      result.push_back({.first_token = static_cast<std::int32_t>(token),
                        .tokens = static_cast<std::int32_t>(sequences[i].tokens),
                        .position = static_cast<std::int32_t>(sequences[i].context - sequences[i].tokens),
                        .page_table = static_cast<std::int32_t>(table)});
      token += sequences[i].tokens;
      table += std::ssize(page_tables[i]);
    }
    return result;
  }

  std::vector<double> attended(std::size_t sequence, std::int64_t position, const Bfloat16* query,
                               std::int64_t head) const {
    const std::int64_t kv_head = head / (shape.heads / shape.kv_heads);
    std::vector<double> scores;
    for (std::int64_t p = first_seen(position); p <= position; ++p) {
      const Bfloat16* key = &keys[static_cast<std::size_t>(place(sequence, p, kv_head))];
      double score = 0;
      for (std::int64_t d = 0; d < shape.head_dim; ++d) score += simt::to_double(query[d]) * simt::to_double(key[d]);
      scores.push_back(score * simt::to_double(scale));
    }
    const double sink = shape.sinks ? simt::to_double(sinks[static_cast<std::size_t>(head)]) : -INFINITY;
    const double largest = std::max(sink, std::ranges::max(scores));
    double total = std::exp(sink - largest);
    std::vector<double> sum(static_cast<std::size_t>(shape.head_dim));
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const double weight = std::exp(scores[i] - largest);
      const auto p = first_seen(position) + static_cast<std::int64_t>(i);
      const Bfloat16* value = &values[static_cast<std::size_t>(place(sequence, p, kv_head))];
      total += weight;
      for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += weight * simt::to_double(value[d]);
    }
    for (double& element : sum) element /= total;
    return sum;
  }

  std::vector<double> expected() const {
    std::vector<double> result;
    const Bfloat16* query = queries.data();
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      for (std::int64_t p = sequences[i].context - sequences[i].tokens; p < sequences[i].context; ++p) {
        for (std::int64_t head = 0; head < shape.heads; ++head, query += shape.head_dim) {
          const std::vector<double> row = attended(i, p, query, head);
          result.insert(result.end(), row.begin(), row.end());
        }
      }
    }
    return result;
  }
};

/// What the kernels make of the case when the slices are such; those that are left out stay NaN.
std::vector<Bfloat16> run(const Case& test, const std::vector<AttentionSlice>& slices,
                          const AttentionResources& resources) {
  const Shape& shape = test.shape;
  const AttentionPlan plan =
      plan_attention(slices, {.heads = shape.heads, .kv_heads = shape.kv_heads, .window = shape.window}, resources);
  std::vector<std::int32_t> tables;
  for (const auto& table : test.page_tables) tables.insert(tables.end(), table.begin(), table.end());
  const simt::Input queries(test.queries);
  const simt::Input keys(test.keys);
  const simt::Input values(test.values);
  const simt::Input sinks(test.sinks);
  const simt::Input slices_on_gpu(slices);
  const simt::Input page_tables(tables);
  const simt::Input tiles(plan.tiles);
  const simt::Input merges(plan.merges);
  const auto partial_rows = static_cast<std::size_t>(plan.partials * shape.kv_heads * kTileQueries);
  simt::Output<float> partial_sums(partial_rows * static_cast<std::size_t>(shape.head_dim));
  simt::Output<Softmax> partial_softmaxes(partial_rows);
  simt::Output<Bfloat16> out(test.queries.size());
  attend({.queries = queries.data(),
          .keys = keys.data(),
          .values = values.data(),
          .sinks = shape.sinks ? sinks.data() : nullptr,
          .slices = slices_on_gpu.data(),
          .page_tables = page_tables.data(),
          .tiles = tiles.data(),
          .merges = merges.data(),
          .partial_sums = partial_sums.data(),
          .partial_softmaxes = partial_softmaxes.data(),
          .out = out.data(),
          .tile_count = std::ssize(plan.tiles),
          .merge_count = std::ssize(plan.merges),
          .heads = shape.heads,
          .kv_heads = shape.kv_heads,
          .head_dim = shape.head_dim,
          .window = shape.window,
          .scale = test.scale},
         nullptr);
  partial_sums.values();  // Was anything written beside them?
  partial_softmaxes.values();
  return out.values();
}

constexpr AttentionResources kWhole{.warps = 1, .partials = 0};
constexpr AttentionResources kOneSegmentEach{.warps = 1 << 20, .partials = 1 << 20};

void check(const Shape& shape, const std::vector<NewTokens>& sequences) {
  const Case test(shape, sequences);
  const std::vector<double> expected = test.expected();
  simt::under_schedules([&] {
    CHECK(simt::largest_error(run(test, test.slices(), kWhole), expected) < kTolerance);
    CHECK(simt::largest_error(run(test, test.slices(), kOneSegmentEach), expected) < kTolerance);
  });
}

TEST_CASE("attention is that of its definition: contexts around the ends of pages and segments") {
  check({.heads = 2, .kv_heads = 1, .head_dim = 64},
        {{1, 1}, {15, 1}, {16, 1}, {17, 1}, {127, 1}, {128, 1}, {129, 1}, {300, 1}});
}

TEST_CASE("attention is that of its definition: any number of heads, of any length") {
  check({.heads = 16, .kv_heads = 2, .head_dim = 64, .sinks = true}, {{130, 5}});
  check({.heads = 3, .kv_heads = 3, .head_dim = 128}, {{40, 40}});
  check({.heads = 5, .kv_heads = 1, .head_dim = 256}, {{21, 7}, {3, 3}});
  check({.heads = 20, .kv_heads = 1, .head_dim = 32}, {{131, 2}});
}

TEST_CASE("attention is that of its definition: a window, with and without sinks") {
  check({.heads = 8, .kv_heads = 2, .head_dim = 64, .window = 128, .sinks = true}, {{300, 1}, {261, 20}, {5, 5}});
  check({.heads = 4, .kv_heads = 1, .head_dim = 32, .window = 16}, {{40, 40}, {145, 2}});
  check({.heads = 2, .kv_heads = 2, .head_dim = 128, .window = 1}, {{18, 3}});
}

TEST_CASE("attention reaches to the far end of a long context") {
  check({.heads = 1, .kv_heads = 1, .head_dim = 32}, {{4097, 1}});
  check({.heads = 1, .kv_heads = 1, .head_dim = 32, .window = 200}, {{131072, 1}});
}

TEST_CASE("every position that a query sees counts, and no other") {
  // All weights are 1, nothing is rounded but the mean of the values.
  for (const std::int64_t window : {0, 16, 100}) {
    Case test({.heads = 1, .kv_heads = 1, .head_dim = 32, .window = window}, {{200, 200}});
    std::ranges::fill(test.queries, Bfloat16{0});
    const std::vector<Bfloat16> result = run(test, test.slices(), kWhole);
    const std::vector<double> expected = test.expected();
    CHECK(std::ranges::equal(result, expected, [](Bfloat16 mean, double of) {
      return std::abs(simt::to_double(mean) - of) <= std::abs(of) * 0x1p-8 + 1e-6;
    }));
  }
}

bool same(const std::vector<Bfloat16>& a, const std::vector<Bfloat16>& b) {
  return std::ranges::equal(a, b, [](Bfloat16 x, Bfloat16 y) { return x.bits == y.bits; });
}

/// The case's slices, cut into chunks of at most `tokens`, each computed alone.
std::vector<Bfloat16> in_chunks(const Case& test, std::int32_t tokens, const AttentionResources& resources) {
  std::vector<Bfloat16> result;
  for (AttentionSlice rest : test.slices()) {
    while (rest.tokens > 0) {
      AttentionSlice chunk = rest;
      chunk.tokens = std::min(rest.tokens, tokens);
      const std::vector<Bfloat16> out = run(test, {chunk}, resources);
      const auto begin = out.begin() + chunk.first_token * test.row_size();
      result.insert(result.end(), begin, begin + chunk.tokens * test.row_size());
      rest = {.first_token = rest.first_token + chunk.tokens,
              .tokens = rest.tokens - chunk.tokens,
              .position = rest.position + chunk.tokens,
              .page_table = rest.page_table};
    }
  }
  return result;
}

TEST_CASE("a query's result is the same bits alone, in a batch, in chunks, and however its segments are shared out") {
  for (const Shape& shape :
       {Shape{.heads = 8, .kv_heads = 2, .head_dim = 64, .window = 140, .sinks = true},
        Shape{.heads = 3, .kv_heads = 1, .head_dim = 128}, Shape{.heads = 2, .kv_heads = 1, .head_dim = 256}}) {
    const Case test(shape, {{290, 5}, {130, 1}, {261, 3}});
    const std::vector<Bfloat16> all = run(test, test.slices(), kWhole);
    CHECK(same(run(test, test.slices(), kOneSegmentEach), all));
    CHECK(same(run(test, test.slices(), {.warps = 12, .partials = 5}), all));
    CHECK(same(in_chunks(test, 1, kOneSegmentEach), all));
    CHECK(same(in_chunks(test, 1, kWhole), all));
    CHECK(same(in_chunks(test, 2, kWhole), all));
  }
}

TEST_CASE("tiles without segments are passed over: a launch may have more blocks than there is work") {
  const Case test({.heads = 2, .kv_heads = 1, .head_dim = 32}, {{20, 1}});
  const std::vector<AttentionTile> nothing(5);
  const simt::Input tiles(nothing);
  attend({.tiles = tiles.data(),
          .merges = tiles.data(),
          .tile_count = 5,
          .merge_count = 5,
          .heads = 2,
          .kv_heads = 1,
          .head_dim = 32},
         nullptr);
}

TEST_CASE("heads that attention was not written for are refused") {
  CHECK_THROWS_AS(attend({.heads = 1, .kv_heads = 1, .head_dim = 512}, nullptr), std::invalid_argument);
  CHECK_THROWS_AS(attend({.heads = 1, .kv_heads = 1, .head_dim = 80}, nullptr), std::invalid_argument);
  CHECK_THROWS_AS(attend({.heads = 3, .kv_heads = 2, .head_dim = 64}, nullptr), std::invalid_argument);
}

TEST_CASE("the cost of attention is every key and value that is seen, once") {
  const Attention step{.heads = 8, .kv_heads = 2, .head_dim = 64, .window = 10};
  const std::vector<AttentionSlice> slices = {{.tokens = 1, .position = 4}, {.tokens = 3, .position = 20}};
  const AttentionPlan plan = plan_attention(slices, {.heads = 8, .kv_heads = 2, .window = 10}, kWhole);
  const std::int64_t keys = 5 + 12;
  const std::int64_t scores = 5 + 30;
  CHECK(cost(step, plan) ==
        Cost{.bytes = keys * 2 * 64 * 2 * 2 + 4 * 8 * 64 * 2 * 2, .flops = scores * 8 * 64 * 2 * 2});
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
