// From names in a file to the weights of a model: a family is a parser of its settings and a map of its names.
#pragma once

#include <string>

#include "runtime/model/model.hpp"
#include "runtime/model/tensor_table.hpp"

namespace gpuinfer::model {

/// What a file format calls the tensors. Those of layer 7 are called layer_prefix + "7." + name.
struct TensorNames {
  std::string embedding, norm, lm_head;
  std::string layer_prefix;
  std::string input_norm, q, k, v, o, post_attention_norm, gate, up, down;
};

/// The weights by `names`, shapes checked against `config`. Without an lm_head the embedding serves as one. Throws
/// Error naming the tensor that is missing, of another shape, or not known.
Weights take_weights(TensorTable& tensors, const TensorNames& names, const ModelConfig& config);

}  // namespace gpuinfer::model
