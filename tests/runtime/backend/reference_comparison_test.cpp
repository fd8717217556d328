// The SIMD backend against the reference on weights of every stored type.
#include <cmath>
#include <random>

#include "catch.hpp"
#include "runtime/backend/cpu/cpu_backend.hpp"
#include "runtime/backend/reference/reference_backend.hpp"
#include "sequence.hpp"
#include "tiny_model.hpp"

namespace gpuinfer::backend {
namespace {

constexpr std::int64_t kPages = 16;

double relative_l2(const std::vector<float>& actual, const std::vector<float>& expected) {
  double difference = 0;
  double total = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(static_cast<double>(actual[i]) - static_cast<double>(expected[i]), 2);
    total += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(difference / total);
}

TEST_CASE("the CPU backend computes what the reference computes") {
  std::vector<TokenId> tokens;
  std::mt19937 random(3);
  for (int i = 0; i < 70; ++i) tokens.push_back(static_cast<TokenId>(random() % model::TinyModel::kVocab));

  for (const auto type : {model::DataType::kF32, model::DataType::kF16, model::DataType::kBF16, model::DataType::kQ4_0,
                          model::DataType::kQ4_1, model::DataType::kQ8_0}) {
    for (const bool tied : {false, true}) {
      DYNAMIC_SECTION(model::name(type) << (tied ? ", tied" : "")) {
        const model::TemporaryFolder folder;
        folder.write("model.gguf", model::tiny_llama_gguf(type, tied));
        const auto model = std::make_shared<const model::Model>(model::load_model(model::find_model(folder.path())));
        const auto reference = make_reference_backend(model, kPages);
        const auto cpu = make_cpu_backend(*model, kPages, 2);
        const std::vector<float> expected = Sequence(kPages / 2).run(*reference, tokens, tokens.size());
        const std::vector<float> actual = Sequence(kPages / 2).run(*cpu, tokens, 32);
        const double limit = model::is_quantized(type) ? 2e-4 : 1e-5;
        REQUIRE(relative_l2(actual, expected) < limit);
      }
    }
  }
}

}  // namespace
}  // namespace gpuinfer::backend
