// embed(): rows of the table, scaled.
#include "runtime/backend/cuda/embedding.hpp"

#include <algorithm>

#include "catch.hpp"
#include "simt/buffer.hpp"
#include "simt/compare.hpp"
#include "simt/random_values.hpp"
#include "simt/schedule.hpp"

namespace gpuinfer::backend::cuda {
namespace {

constexpr std::int64_t kVocabulary = 50;

void check(std::int64_t tokens, std::int64_t hidden_size, float scale) {
  simt::RandomValues random(1);
  const auto table = random.bfloat16s(kVocabulary * hidden_size);
  auto ids = random.integers(tokens, kVocabulary);
  const std::vector<SampledToken> chosen = {{.id = 7}, {.id = SampledToken::kNotFinite}, {.id = kVocabulary - 1}};
  std::vector<std::int32_t> known = ids;
  for (std::size_t i = 0; i < ids.size(); i += 2) {
    const std::size_t place = i % chosen.size();
    ids[i] = chosen_id(place);
    known[i] = std::max(0, chosen[place].id);
  }
  std::vector<double> expected;
  for (const std::int32_t id : known) {
    for (std::int64_t i = 0; i < hidden_size; ++i) {
      expected.push_back(simt::to_double(scale) *
                         simt::to_double(table[static_cast<std::size_t>(id * hidden_size + i)]));
    }
  }
  const simt::Input table_on_gpu(table);
  const simt::Input ids_on_gpu(ids);
  const simt::Input chosen_on_gpu(chosen);
  simt::under_schedules([&] {
    simt::Output<float> hidden(expected.size());
    embed({table_on_gpu.data(), scale, ids_on_gpu.data(), chosen_on_gpu.data(), hidden.data(), tokens, hidden_size},
          nullptr);
    CHECK(simt::largest_error(hidden.values(), expected) < simt::kFloatTolerance);
  });
}

TEST_CASE("tokens, known or chosen by the step before, become rows of the embedding, times the model's scale") {
  check(1, 2880, 1);
  check(3, 33, 53.5F);
  check(33, 640, 25.25F);
}

TEST_CASE("an embedding's cost is its rows") {
  CHECK(cost(Embedding{.scale = 1, .tokens = 2, .hidden_size = 10}) ==
        Cost{.bytes = 2 * 10 * (2 + 4) + 2 * 4, .flops = 20});
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
