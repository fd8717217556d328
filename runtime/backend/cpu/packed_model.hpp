// A model's weights as the CPU kernels read them.
#pragma once

#include <memory>
#include <vector>

#include "runtime/backend/cpu/huge_buffer.hpp"
#include "runtime/backend/cpu/packed_matrix.hpp"
#include "runtime/backend/cpu/thread_pool.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend {

/// x · weightᵀ + bias; an empty bias: none.
struct PackedLinear {
  PackedMatrix weight;
  std::vector<float> bias;
};

struct PackedMlp {
  PackedLinear gate, up, down;
};

/// model::LayerWeights; what the model does not have is empty.
struct PackedLayer {
  std::vector<float> input_norm, q_norm, k_norm, sinks, attention_output_norm, mlp_norm, mlp_output_norm;
  PackedLinear q, k, v, o;
  PackedLinear router;
  std::vector<PackedMlp> experts;

  bool has_router() const { return router.weight.rows > 0; }
};

/// All matrices lie in one buffer in the order in which a step reads them. The file's own pages are given back: only
/// the rows of the embedding that a prompt needs are read from there.
struct PackedModel {
  model::ModelConfig config;
  model::Tensor embedding;
  std::vector<PackedLayer> layers;
  std::vector<float> norm;
  PackedMatrix lm_head;

  HugeBuffer memory;
  std::vector<std::shared_ptr<const model::MappedFile>> files;
};

/// Packs with all threads of `pool`. Throws Error where the memory is not there, a weight is not a finite number
/// (naming it), or a file cannot be read.
PackedModel pack_model(const model::Model& model, ThreadPool& pool);

}  // namespace gpuinfer::backend
