// One thread computes one number.
#include "runtime/backend/cuda/activation.hpp"

#include <cmath>

#include "runtime/backend/cuda/bfloat16.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"

namespace gpuinfer::backend::cuda {
namespace {

constexpr int kThreads = 256;

GPU_DEVICE float sigmoid(float x) { return 1 / (1 + expf(-x)); }

GPU_DEVICE float gelu_tanh(float x) {
  constexpr float kSqrtOf2OverPi = 0.7978845608F;
  return 0.5F * x * (1 + tanhf(kSqrtOf2OverPi * (x + 0.044715F * x * x * x)));
}

GPU_DEVICE float clamped_swiglu(float gate, float up, float limit) {
  constexpr float kAlpha = 1.702F;
  gate = fminf(gate, limit);
  up = fminf(fmaxf(up, -limit), limit);
  return (up + 1) * gate * sigmoid(kAlpha * gate);
}

GPU_DEVICE float gated(model::Activation activation, float gate, float up, float limit) {
  switch (activation) {
    case model::Activation::kSilu:
      return gate * sigmoid(gate) * up;
    case model::Activation::kGeluTanh:
      return gelu_tanh(gate) * up;
    case model::Activation::kClampedSwiglu:
      return clamped_swiglu(gate, up, limit);
  }
  return 0;
}

// budget: 32 registers
GPU_KERNEL(kThreads) activate_kernel(const GatedActivation step) {
  ptx::wait_for_previous_launch();
  const std::int64_t i = std::int64_t{ptx::block_x()} * kThreads + ptx::thread_index();
  if (i >= step.tokens * step.intermediate_size) return;
  const std::int64_t token = i / step.intermediate_size;
  const std::int64_t column = i % step.intermediate_size;
  const float* pair = step.gate_up + token * 2 * step.intermediate_size;
  const bool interleaved = step.layout == GateLayout::kInterleaved;
  const float gate = pair[interleaved ? 2 * column : column];
  const float up = pair[interleaved ? 2 * column + 1 : step.intermediate_size + column];
  step.out[i] = to_bfloat16(gated(step.activation, gate, up, step.limit));
}

}  // namespace

void activate(const GatedActivation& step, Stream stream) {
  const std::int64_t numbers = step.tokens * step.intermediate_size;
  ptx::launch("activate", activate_kernel, {.x = (numbers + kThreads - 1) / kThreads, .threads = kThreads}, stream,
              step);
}

}  // namespace gpuinfer::backend::cuda
