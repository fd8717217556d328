// A model's weights as the CPU kernels read them.
#pragma once

#include <memory>
#include <vector>

#include "runtime/backend/cpu/huge_buffer.hpp"
#include "runtime/backend/cpu/packed_matrix.hpp"
#include "runtime/backend/cpu/thread_pool.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend {

struct PackedLayer {
  std::vector<float> input_norm, post_attention_norm;
  PackedMatrix q, k, v, o, gate, up, down;
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

/// Packs with all threads of `pool`. Throws Error where the memory is not there.
PackedModel pack_model(const model::Model& model, ThreadPool& pool);

}  // namespace gpuinfer::backend
