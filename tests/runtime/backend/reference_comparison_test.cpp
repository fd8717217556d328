// The SIMD backend against the reference on weights of every stored type.
#include <random>

#include "catch.hpp"
#include "relative_l2.hpp"
#include "runtime/backend/cpu/cpu_backend.hpp"
#include "runtime/backend/kv_groups.hpp"
#include "runtime/backend/reference/reference_backend.hpp"
#include "sequence.hpp"
#include "temporary_folder.hpp"
#include "tiny_model.hpp"

namespace gpuinfer::backend {
namespace {

constexpr std::int64_t kPages = 16;

TEST_CASE("the CPU backend computes what the reference computes") {
  std::vector<TokenId> tokens;
  std::mt19937 random(3);
  for (int i = 0; i < 70; ++i) tokens.push_back(static_cast<TokenId>(random() % model::TinyModel::kVocab));

  for (const auto type : {model::DataType::kF32, model::DataType::kF16, model::DataType::kBF16, model::DataType::kQ4_0,
                          model::DataType::kQ4_1, model::DataType::kQ5_0, model::DataType::kQ5_1,
                          model::DataType::kQ8_0, model::DataType::kMxfp4Ggml}) {
    for (const bool tied : {false, true}) {
      DYNAMIC_SECTION(model::name(type) << (tied ? ", tied" : "")) {
        const TemporaryFolder folder;
        folder.write("model.gguf", model::tiny_llama_gguf(type, tied));
        const auto model = std::make_shared<const model::Model>(model::load_model(model::find_model(folder.path())));
        const auto reference = make_reference_backend(model, make_kv_groups(model->config, kPages));
        const std::vector<float> expected = Sequence(kPages / 2).run(*reference, tokens, tokens.size());
        const auto error = [&](KvType kv_type) {
          const auto cpu = make_cpu_backend(*model, make_kv_groups(model->config, kPages), 2, kv_type);
          return relative_l2(Sequence(kPages / 2).run(*cpu, tokens, 32), expected);
        };
        REQUIRE(error(KvType::kFloat32) < (model::is_quantized(type) ? 2e-4 : 1e-5));
        REQUIRE(error(KvType::kFloat16) < 1e-3);
      }
    }
  }
}

}  // namespace
}  // namespace gpuinfer::backend
