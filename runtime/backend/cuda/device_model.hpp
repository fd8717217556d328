// A model's weights as the GPU's kernels want them.
#pragma once

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "runtime/backend/cpu/thread_pool.hpp"
#include "runtime/backend/cuda/bfloat16.hpp"
#include "runtime/backend/cuda/device.hpp"
#include "runtime/backend/cuda/expert_product.hpp"
#include "runtime/backend/cuda/shard.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend::cuda {

/// In the GPU's memory, as all pointers below.
struct DeviceLinear {
  const Bfloat16* weight = nullptr;  ///< [rows, columns]
  const float* bias = nullptr;       ///< [rows], or null
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

/// One linear layer of every expert.
struct DeviceExperts {
  std::variant<Bfloat16Experts, Mxfp4Experts> weight;
  const float* bias = nullptr;  ///< [experts, rows], or null
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

/// What the model does not have is null: the MLP of a layer is a dense one, or experts with a router.
struct DeviceLayer {
  const float* input_norm = nullptr;  ///< [hidden]
  DeviceLinear qkv;                   ///< rows of q, then of k, then of v
  const float* q_norm = nullptr;      ///< [head_dim]
  const float* k_norm = nullptr;      ///< [head_dim]
  const float* sinks = nullptr;       ///< [heads]
  DeviceLinear o;
  const float* attention_output_norm = nullptr;  ///< [hidden]
  const float* mlp_norm = nullptr;               ///< [hidden]
  DeviceLinear gate_up;                          ///< rows of gate, then of up
  DeviceLinear down;
  DeviceLinear router;           ///< [experts, hidden]
  DeviceExperts expert_gate_up;  ///< of each expert rows of gate, then of up
  DeviceExperts expert_down;
  const float* mlp_output_norm = nullptr;  ///< [hidden]
};

struct DeviceModel {
  DeviceArray<std::byte> memory;
  const Bfloat16* embedding = nullptr;              ///< [vocab, hidden]
  std::vector<const double*> turns_per_position{};  ///< of each RoPE: [head_dim / 2]
  std::vector<DeviceLayer> layers{};
  const float* norm = nullptr;  ///< [hidden]
  DeviceLinear lm_head{};       ///< of the embedding's rows where the two are tied
};

/// The kernels cannot compute it, another backend can.
class UnsupportedModel : public Error {
 public:
  using Error::Error;
};

/// Bytes that upload_shards() will take on the GPU of this shard. Throws UnsupportedModel.
std::int64_t device_bytes(const Shard& shard);

/// Shards of one model, each to the GPU of its rank by way of the rank's queue; the files are read once for all of
/// them. Matrices are rounded to bfloat16. Throws Error where a weight is not a finite number, OutOfDeviceMemory where
/// a GPU is too small.
std::vector<DeviceModel> upload_shards(std::span<const Shard> shards, ThreadPool& pool, std::span<Queue> queues);

}  // namespace gpuinfer::backend::cuda
