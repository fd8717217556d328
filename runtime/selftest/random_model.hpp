// Models without files: of any shape, with weights from a seed.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/model/model.hpp"

namespace gpuinfer::selftest {

/// What a model has beside its settings.
struct ModelShape {
  model::ModelConfig config;
  bool has_qkv_biases = false;
  bool has_other_biases = false;  ///< of o, of the router and of the experts
  bool has_qk_norm = false;
  bool has_branch_norms = false;  ///< of what attention and the MLP add to the residual stream
  bool has_sinks = false;
  bool has_tied_head = false;
  bool has_mxfp4_experts = false;  ///< with gate and up in alternating rows, as gpt-oss's; else BF16
};

/// Weights are spread so that every part of the model shows in its results: activations stay near 1, branches outweigh
/// the embedding, and each query has some positions that it likes best, however long the context is. The same for the
/// same seed on every machine.
std::shared_ptr<const model::Model> make_random_model(const ModelShape& shape, std::uint64_t seed);

}  // namespace gpuinfer::selftest
