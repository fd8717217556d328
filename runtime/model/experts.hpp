// The MLPs of a layer, in the ways in which files store them.
#pragma once

#include <string>

#include "runtime/model/weights.hpp"

namespace gpuinfer::model {

/// A dense layer: one MLP.
TakeExperts dense_mlp(TensorTable& tensors, const TensorNames& names, const ModelConfig& config);

/// One MLP after the other, each with tensors of its own: those of expert 3 are called "mlp.experts.3." + name.
TakeExperts separate_experts(TensorTable& tensors, const TensorNames& names, const ModelConfig& config);

/// GGUF: all experts in one tensor, [experts, out, in], with biases [experts, out].
TakeExperts stacked_experts(TensorTable& tensors, const TensorNames& names, const ModelConfig& config);

/// gpt-oss in safetensors: all experts in one tensor, rows of gate and up alternating; MXFP4 in blocks and scales
/// [experts, out, in / 32 …], or numbers with input and output exchanged [experts, in, out], which are turned round
/// into buffers of `model`.
TakeExperts gpt_oss_experts(TensorTable& tensors, const ModelConfig& config, Model& model);

}  // namespace gpuinfer::model
