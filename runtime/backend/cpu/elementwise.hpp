// The parts of a layer that are not matrix products or attention, one token at a time.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/backend/cpu/activations.hpp"
#include "runtime/model/model_config.hpp"

namespace gpuinfer::backend {

/// out = x / √(mean x² + epsilon) · weight.
void rms_norm(std::span<const float> x, const float* weight, float epsilon, float* out);

/// Fills values, scales and sums of `token` from its floats (defined in activations.hpp).
void quantize(Activations& x, std::int64_t token);

/// out = activation(gate, up), see model::Activation; `limit` is that of kClampedSwiglu.
void activate(model::Activation activation, float limit, const float* gate, const float* up, std::span<float> out);

/// x += y · factor.
void add(std::span<float> x, const float* y, float factor);

/// Rotates the pairs (i, i + head_dim/2) of one head and multiplies it by `scale`. `cosines` and `sines`: [head_dim/2].
void rope(std::span<float> head, const float* cosines, const float* sines, float scale);

}  // namespace gpuinfer::backend
