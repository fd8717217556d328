// The self-test in a small form on the CUDA backend's own host code and kernels: what a GPU will be asked.
#include <sstream>

#include "catch.hpp"
#include "runtime/backend/cuda/cuda_backend.hpp"
#include "runtime/selftest/run_cases.hpp"
#include "simt/gpu.hpp"

namespace gpuinfer::selftest {
namespace {

std::unique_ptr<backend::Backend> make_cuda(const model::Model& model, std::int64_t pages) {
  return backend::make_cuda_backend(model, backend::KvPlan::of_pages(pages), 2);
}

/// The harness takes a tenth of a second for a token.
std::vector<Case> small_cases() {
  std::vector<Case> cases = family_cases(
      {.vocab = 96, .hidden = 64, .intermediate = 96, .layers = 2, .head_dim = 32, .experts = 6, .window = 10});
  for (Case& one : cases) {
    if (one.name == "Gemma 3") one.shape.config.num_attention_heads = 2;
    one.tokens = 24;
    one.batch_sizes = {3};
    one.longest_prompt = 6;
  }
  return cases;
}

TEST_CASE("the CUDA backend passes with every family") {
  simt::gpu() = {};
  std::ostringstream out;
  const int failures = run_cases(
      small_cases(), [](const auto& model, std::int64_t pages) { return make_cuda(*model, pages); }, kBfloat16Tolerance,
      out);
  INFO(out.str());
  CHECK(failures == 0);
  // Of each family: one for single tokens, one for batches, of which some steps were launches of what was recorded.
  CHECK(simt::gpu().recorded >= 2 * 6);
  CHECK(simt::gpu().graph_launches > 6 * 20);
}

TEST_CASE("a GPU that fails, and one that computes another model, do not pass") {
  const std::vector<Case> one = {small_cases().front()};
  simt::gpu() = {};
  simt::gpu().waits_until_fault = 8;
  std::ostringstream out;
  CHECK(run_cases(
            one, [](const auto& model, std::int64_t pages) { return make_cuda(*model, pages); }, kBfloat16Tolerance,
            out) > 0);
  CHECK_THAT(out.str(), Catch::Contains("FAILED") && Catch::Contains("illegal memory access"));
  simt::gpu() = {};

  std::ostringstream other;
  CHECK(
      run_cases(
          one,
          [&](const auto&, std::int64_t pages) { return make_cuda(*make_random_model(one.front().shape, 99), pages); },
          kBfloat16Tolerance, other) == 2);
}

}  // namespace
}  // namespace gpuinfer::selftest
