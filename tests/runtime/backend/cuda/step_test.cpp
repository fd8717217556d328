// Where a step's inputs lie, and which steps agree in that.
#include "runtime/backend/cuda/step.hpp"

#include <numeric>

#include "catch.hpp"
#include "runtime/backend/cuda/embedding.hpp"

namespace gpuinfer::backend::cuda {
namespace {

const std::vector<KvGroup> kGroups = {{.pages = 1000}, {.sliding_window = 32, .pages = 1000}};

/// Slices of `tokens` tokens at some positions, each with pages of its own in each group.
class Batch {
 public:
  explicit Batch(std::vector<std::int64_t> positions, std::size_t tokens = 1) : ids_(tokens, 7) {
    tables_.resize(positions.size());
    views_.resize(positions.size());
    for (std::size_t i = 0; i < positions.size(); ++i) {
      const std::int64_t pages = pages_for(positions[i] + static_cast<std::int64_t>(tokens));
      for (std::size_t group = 0; group < kGroups.size(); ++group) {
        tables_[i].emplace_back(static_cast<std::size_t>(pages));
        std::iota(tables_[i][group].begin(), tables_[i][group].end(), first_page_);
        first_page_ += static_cast<std::int32_t>(pages);
      }
      views_[i].assign(tables_[i].begin(), tables_[i].end());
      slices_.push_back({.tokens = ids_, .position = positions[i], .page_tables = views_[i]});
    }
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  std::span<const Slice> slices() const { return slices_; }

 private:
  std::vector<TokenId> ids_;
  std::vector<std::vector<std::vector<std::int32_t>>> tables_;  ///< of each slice and group
  std::vector<std::vector<PageTable>> views_;
  std::vector<Slice> slices_;
  std::int32_t first_page_ = 1;
};

/// The host of the GPU of tests/simt, whose memory can be read.
class Host {
 public:
  /// With room for all inputs of these tests: they do not move.
  Host() { make(Batch(std::vector<std::int64_t>(300, 300))); }

  Step make(const Batch& batch) { return make(batch.slices()); }
  Step make(std::span<const Slice> slices) {
    Step step = make_step(slices, kGroups, {.heads = 4, .kv_heads = 2}, {.warps = 32, .partials = 64}, inputs_, queue_);
    queue_.wait();
    return step;
  }

 private:
  Queue queue_;
  StepInputs inputs_;
};

TEST_CASE("each group's page tables are found from its slices") {
  Host host;
  const Batch batch({20, 3, 300});
  const Step step = host.make(batch);
  CHECK(step.tokens == 3);
  for (std::size_t group = 0; group < kGroups.size(); ++group) {
    for (std::size_t i = 0; i < batch.slices().size(); ++i) {
      const Slice& slice = batch.slices()[i];
      const PageTable table = slice.page_tables[group];
      const AttentionSlice& described = step.groups[group].slices[i];
      CHECK(described.first_token == static_cast<std::int32_t>(i));
      CHECK(described.position == slice.position);
      CHECK(std::equal(table.begin(), table.end(), step.page_tables + described.page_table));
      CHECK(step.groups[group].slots[i] == table.back() * kPageTokens + slice.position % kPageTokens);
    }
  }
}

TEST_CASE("decode steps of one shape have their inputs at the same addresses, whatever their page tables") {
  Host host;
  const Step one = host.make(Batch({20, 3}));
  const Step other = host.make(Batch({127, 15}));
  REQUIRE(one.shape);
  CHECK(one.shape == other.shape);
  CHECK(one.ids == other.ids);
  CHECK(one.positions == other.positions);
  CHECK(one.page_tables == other.page_tables);
  for (std::size_t group = 0; group < kGroups.size(); ++group) {
    CHECK(one.groups[group].slices == other.groups[group].slices);
    CHECK(one.groups[group].slots == other.groups[group].slots);
    CHECK(one.groups[group].tiles == other.groups[group].tiles);
    CHECK(one.groups[group].merges == other.groups[group].merges);
  }
}

TEST_CASE("a sequence that attention cuts up has another shape, with tiles that do nothing up to a power of two") {
  Host host;
  const Step step = host.make(Batch({300}));
  REQUIRE(step.shape);
  CHECK(step.shape->tiles == std::vector<std::int64_t>{4, 1});  // Three segments, and one of the window's.
  CHECK(step.shape->merges == std::vector<std::int64_t>{1, 0});
  CHECK(step.groups[0].tile_count == 4);
  const AttentionTile& padding = step.groups[0].tiles[3];
  CHECK(padding.first_segment >= padding.end_segment);
  CHECK(host.make(Batch({20})).shape != step.shape);
  CHECK(host.make(Batch({300, 1})).shape != step.shape);
}

TEST_CASE("only steps of single tokens have a shape, up to so many") {
  Host host;
  CHECK(!host.make(Batch({20, 3}, 2)).shape);
  CHECK(host.make(Batch(std::vector<std::int64_t>(kDecodeTokens, 1))).shape);
  CHECK(!host.make(Batch(std::vector<std::int64_t>(kDecodeTokens + 1, 1))).shape);
}

TEST_CASE("a row of logits is computed for every token that is looked at, by the host or to choose the next one") {
  Host host;
  const TokenSampling sampling;
  const Batch batch({20, 3}, 4);
  std::vector<Slice> slices(batch.slices().begin(), batch.slices().end());
  slices[0].logits = Logits::kNone;
  slices[0].sampling = &sampling;
  slices[1].logits = Logits::kAll;
  slices[1].sampling = &sampling;
  const Step step = host.make(slices);
  CHECK(std::vector(step.logits_tokens, step.logits_tokens + step.logits_rows) ==
        std::vector<std::int32_t>{3, 4, 5, 6, 7});
  REQUIRE(step.rows.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(step.rows[i].wanted == (i > 0));
    CHECK((step.rows[i].sampling != nullptr) == (i == 0 || i == 4));
  }

  const std::vector<std::vector<Slice>> portions = cut_batch(slices, 3);
  REQUIRE(portions.size() == 3);
  CHECK(portions[0][0].sampling == nullptr);
  CHECK(portions[1][0].sampling == &sampling);
  CHECK(portions[1][1].sampling == nullptr);
  CHECK(portions[2][0].sampling == &sampling);
}

TEST_CASE("a token that follows one of the step before is named by its place, or by its id where that is known") {
  Host host;
  const Batch batch({20, 3, 5});
  std::vector<Slice> slices(batch.slices().begin(), batch.slices().end());
  slices[0].follows = 1;
  slices[2].follows = 0;
  const Step step = host.make(slices);
  CHECK(std::vector(step.ids, step.ids + 3) == std::vector<std::int32_t>{chosen_id(1), 7, chosen_id(0)});

  const SampledToken chosen[] = {{.id = 33}, {.id = SampledToken::kNoneAllowed}};
  TokenId tokens[3];
  const Step known = host.make(with_known_tokens(slices, chosen, tokens));
  CHECK(std::vector(known.ids, known.ids + 3) == std::vector<std::int32_t>{0, 7, 33});
  CHECK(known.shape == step.shape);
}

TEST_CASE("inputs that move change the shape") {
  Queue queue;
  StepInputs inputs;
  const auto make = [&](const Batch& batch) {
    Step step =
        make_step(batch.slices(), kGroups, {.heads = 4, .kv_heads = 2}, {.warps = 32, .partials = 64}, inputs, queue);
    queue.wait();
    return step;
  };
  const auto before = make(Batch({1})).shape;
  make(Batch(std::vector<std::int64_t>(300, 300)));
  CHECK(make(Batch({1})).shape != before);
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
