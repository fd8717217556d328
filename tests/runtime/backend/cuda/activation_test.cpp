// activate() against its definition in double precision.
#include "runtime/backend/cuda/activation.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "catch.hpp"
#include "simt/buffer.hpp"
#include "simt/compare.hpp"
#include "simt/random_values.hpp"
#include "simt/schedule.hpp"

namespace gpuinfer::backend::cuda {
namespace {

constexpr float kLimit = 7;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double definition(model::Activation activation, double gate, double up) {
  switch (activation) {
    case model::Activation::kSilu:
      return gate * sigmoid(gate) * up;
    case model::Activation::kGeluTanh:
      return 0.5 * gate * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (gate + 0.044715 * std::pow(gate, 3)))) * up;
    case model::Activation::kClampedSwiglu:
      gate = std::min(gate, 7.0);
      return (std::clamp(up, -7.0, 7.0) + 1) * gate * sigmoid(1.702 * gate);
  }
  return NAN;
}

std::vector<Bfloat16> run(const std::vector<float>& gate_up, std::int64_t tokens, model::Activation activation,
                          GateLayout layout) {
  const std::int64_t intermediate_size = std::ssize(gate_up) / tokens / 2;
  const simt::Input gate_up_on_gpu(gate_up);
  simt::Output<Bfloat16> out(gate_up.size() / 2);
  activate({.gate_up = gate_up_on_gpu.data(),
            .out = out.data(),
            .tokens = tokens,
            .intermediate_size = intermediate_size,
            .activation = activation,
            .layout = layout,
            .limit = kLimit},
           nullptr);
  return out.values();
}

void check(std::int64_t tokens, std::int64_t intermediate_size, model::Activation activation, GateLayout layout) {
  std::vector<float> gate_up = simt::RandomValues(5).floats(tokens * 2 * intermediate_size, 0, 4);
  gate_up[0] = 300;  // beyond what an exponential can be of
  gate_up[1] = -300;
  std::vector<double> expected;
  for (std::int64_t token = 0; token < tokens; ++token) {
    const float* pair = gate_up.data() + token * 2 * intermediate_size;
    for (std::int64_t i = 0; i < intermediate_size; ++i) {
      const bool interleaved = layout == GateLayout::kInterleaved;
      expected.push_back(definition(activation, simt::to_double(pair[interleaved ? 2 * i : i]),
                                    simt::to_double(pair[interleaved ? 2 * i + 1 : intermediate_size + i])));
    }
  }
  simt::under_schedules([&] {
    CHECK(simt::largest_error(run(gate_up, tokens, activation, layout), expected) < simt::kBfloat16Tolerance);
  });
}

TEST_CASE("gates open for what their models say") {
  for (const GateLayout layout : {GateLayout::kHalves, GateLayout::kInterleaved}) {
    check(1, 2880, model::Activation::kClampedSwiglu, layout);
    check(3, 33, model::Activation::kSilu, layout);
    check(5, 100, model::Activation::kGeluTanh, layout);
  }
}

TEST_CASE("a token's activations are the same bits alone and in a batch") {
  const std::vector<float> batch = simt::RandomValues(6).floats(4 * 2 * 100);
  const auto all = run(batch, 4, model::Activation::kSilu, GateLayout::kHalves);
  const auto last = run({batch.end() - 2 * 100, batch.end()}, 1, model::Activation::kSilu, GateLayout::kHalves);
  CHECK(std::equal(last.begin(), last.end(), all.end() - 100, [](auto a, auto b) { return a.bits == b.bits; }));
}

TEST_CASE("the cost of an activation is two numbers read and one written") {
  CHECK(cost(GatedActivation{.tokens = 2, .intermediate_size = 10}) == Cost{.bytes = 20 * 10, .flops = 100});
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
