// What lies between the kernels of a step.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/backend/cuda/attention.hpp"
#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/device.hpp"
#include "runtime/backend/cuda/router.hpp"
#include "runtime/backend/token_sampling.hpp"
#include "runtime/model/model_config.hpp"

namespace gpuinfer::backend::cuda {

/// Longer batches are computed in portions, so that a step's memory stays small.
inline constexpr std::int64_t kStepTokens = 1024;
/// Rows of logits that are there at once: 200,000 floats each.
inline constexpr std::int64_t kLogitsRows = 64;
/// Segments whose attention may wait to be merged.
inline constexpr std::int64_t kPartials = 1024;

/// Room for kStepTokens tokens; a token's row has as many columns as the comment says.
struct Workspace {
  /// Of one of `ranks` GPUs, for its shard's config. Throws OutOfDeviceMemory.
  Workspace(const model::ModelConfig& config, std::int64_t ranks);

  /// Before the first step: what kernels find zero and leave so.
  void clear_arrivals(Queue& queue);

  /// Bytes that it takes.
  static std::int64_t bytes(const model::ModelConfig& config, std::int64_t ranks);

  DeviceArray<float> hidden;         ///< hidden_size: the residual stream
  DeviceArray<float> branch;         ///< hidden_size: what attention or the MLP adds to it
  DeviceArray<Bfloat16> normalized;  ///< hidden_size
  DeviceArray<float> qkv;            ///< q_size + 2 · kv_size
  DeviceArray<Bfloat16> queries;     ///< q_size
  DeviceArray<Bfloat16> attended;    ///< q_size
  DeviceArray<float> partial_sums;   ///< as Attention describes them
  DeviceArray<Softmax> partial_softmaxes;
  DeviceArray<float> gate_up;               ///< 2 · intermediate_size for each MLP that a token goes through
  DeviceArray<Bfloat16> activated;          ///< intermediate_size for each
  DeviceArray<Bfloat16> selected;           ///< hidden_size: of tokens whose logits are wanted
  DeviceArray<float> logits;                ///< vocab_size, for kLogitsRows tokens
  DeviceArray<SampledToken> sampled;        ///< one; the next step finds them there
  std::vector<DeviceArray<float>> cosines;  ///< of each RoPE: head_dim / 2
  std::vector<DeviceArray<float>> sines;
  DeviceArray<std::uint32_t> arrivals;  ///< one for each head of q, k and v, not for each token; zero between kernels

  // Where there are several GPUs.
  DeviceArray<float> branches;     ///< hidden_size for each rank: what each adds
  DeviceArray<float> logits_part;  ///< the rank's part of vocab_size, for kLogitsRows tokens

  // Of mixtures.
  DeviceArray<float> scores;  ///< num_experts
  DeviceArray<std::int32_t> picked;
  DeviceArray<float> pick_weights;
  DeviceArray<std::int32_t> pick_rows;
  DeviceArray<std::int32_t> tokens_of_rows;
  DeviceArray<ExpertTile> expert_tiles;
  DeviceArray<float> expert_results;  ///< hidden_size for each pick

 private:
  Workspace() = default;

  template <typename Visit>
  void for_each_array(const model::ModelConfig& config, std::int64_t ranks, const Visit& visit);
};

}  // namespace gpuinfer::backend::cuda
