// From names in a file to the weights of a model: a family is a parser of its settings and a map of its names.
#pragma once

#include <functional>
#include <string>

#include "runtime/model/model.hpp"
#include "runtime/model/tensor_table.hpp"

namespace gpuinfer::model {

/// What a file calls a linear layer; an empty name: there is no such tensor.
struct LinearNames {
  std::string weight{}, bias{};
};

struct MlpNames {
  LinearNames gate{}, up{}, down{};
};

/// What a file format calls the tensors of a family. Those of layer 7 are called layer_prefix + "7." + name. An empty
/// name means that the family has no such tensor.
struct TensorNames {
  std::string embedding, norm, lm_head;
  std::string layer_prefix;
  std::string input_norm;
  LinearNames q, k, v;
  std::string q_norm{}, k_norm{}, sinks{};
  LinearNames o;
  std::string attention_output_norm{}, mlp_norm;
  LinearNames router{};
  MlpNames mlp;
  std::string mlp_output_norm{};
};

/// One of the MLPs of a layer, whose names begin with `prefix`, which ends with a dot or is empty.
Mlp take_mlp(TensorTable& tensors, const std::string& prefix, const MlpNames& names, const ModelConfig& config);

/// The MLPs of the layer whose names begin with `layer_prefix` ("model.layers.7.").
using TakeExperts = std::function<std::vector<Mlp>(const std::string& layer_prefix)>;

/// The weights by `names`, shapes checked against `config`; `take_experts` knows how the layers' MLPs are stored.
/// Without an lm_head the embedding serves as one. Throws Error naming the tensor that is missing, of another shape, or
/// not known.
Weights take_weights(TensorTable& tensors, const TensorNames& names, const ModelConfig& config,
                     const TakeExperts& take_experts);

}  // namespace gpuinfer::model
