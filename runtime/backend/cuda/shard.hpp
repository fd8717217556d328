// Which part of a model each of several GPUs has: tensor parallelism (Shoeybi et al., Megatron-LM, 2019), mixtures by
// whole experts.
#pragma once

#include <cstdint>

#include "runtime/model/model.hpp"

namespace gpuinfer::backend::cuda {

/// What one of `ranks` GPUs computes. Each takes the same residual stream, and what their attention, or their MLPs, add
/// to it is summed up over all of them.
///
///   q, k, v    rows, by heads, with their bias and sinks: query heads stay with the key/value head that they use
///   o          columns, those of its heads; the bias is the first rank's
///   gate, up   rows of a dense MLP, with their bias
///   down       columns of a dense MLP; the bias is the first rank's
///   experts    whole ones, one after the other: gpt-oss's 90 blocks of MXFP4 in a row divide by two, not by four
///   lm_head    rows, where their number divides; else all of them
///   the rest   everybody has it: embedding, norms, router
struct Shard {
  std::int64_t rank = 0;
  std::int64_t ranks = 1;
  /// Views of the whole model's weights, and a config with the rank's heads and the rank's share of a dense MLP; all
  /// experts are counted, and only the rank's are there.
  model::Model model{};

  /// The experts of a mixture that are there: [first_expert(), first_expert() + experts()).
  std::int64_t experts() const { return model.config.num_experts / ranks; }
  std::int64_t first_expert() const { return rank * experts(); }
};

/// Reads no weights. Throws UnsupportedModel where the model has parts that so many GPUs cannot share.
Shard make_shard(const model::Model& model, std::int64_t rank, std::int64_t ranks);

/// `tensor` without its rows before `begin` and from begin + count on; elements of a vector likewise.
model::Tensor slice_rows(model::Tensor tensor, std::int64_t begin, std::int64_t count);

/// The `part`th of `parts` equal groups of the columns of a matrix, which are whole blocks.
model::Tensor slice_columns(model::Tensor tensor, std::int64_t part, std::int64_t parts);

}  // namespace gpuinfer::backend::cuda
