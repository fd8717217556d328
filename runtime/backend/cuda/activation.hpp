// What stands between the two products of a gated MLP.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/stream.hpp"
#include "runtime/model/model_config.hpp"

namespace gpuinfer::backend::cuda {

/// How the results of the gate's rows and the up projection's rows lie in a token's.
enum class GateLayout {
  kHalves,       ///< all gates, then all ups
  kInterleaved,  ///< gate 0, up 0, gate 1, up 1, … (gpt-oss)
};

/// out[t, i] = f(gate[t, i], up[t, i]), rounded to bfloat16; f as model::Activation describes it.
struct GatedActivation {
  const float* gate_up = nullptr;  ///< [tokens, 2 · intermediate_size]
  Bfloat16* out = nullptr;         ///< [tokens, intermediate_size]
  std::int64_t tokens = 0;         ///< or rows of a mixture of experts
  std::int64_t intermediate_size = 0;
  model::Activation activation = model::Activation::kSilu;
  GateLayout layout = GateLayout::kHalves;
  float limit = 0;  ///< of Activation::kClampedSwiglu
};

void activate(const GatedActivation& step, Stream stream);

inline Cost cost(const GatedActivation& step) {
  const std::int64_t numbers = step.tokens * step.intermediate_size;
  return {.bytes = numbers * (2 * 4 + 2), .flops = numbers * 5};
}

}  // namespace gpuinfer::backend::cuda
