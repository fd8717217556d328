// One GPU's part of every step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/backend/cuda/device.hpp"
#include "runtime/backend/cuda/device_model.hpp"
#include "runtime/backend/cuda/kv_pages.hpp"
#include "runtime/backend/cuda/memory_plan.hpp"
#include "runtime/backend/cuda/product.hpp"
#include "runtime/backend/cuda/router.hpp"
#include "runtime/backend/cuda/shard.hpp"
#include "runtime/backend/cuda/step.hpp"
#include "runtime/backend/cuda/step_graphs.hpp"
#include "runtime/backend/cuda/workspace.hpp"

namespace gpuinfer::backend::cuda {

/// A shard of the model on its GPU, with the keys and values of its heads. Everything below is launched into the GPU's
/// queue and makes it the thread's current one; all ranks do the same in the same order.
class Rank {
 public:
  /// Takes the memory that `plan` says, beside the weights', which are there. Throws OutOfDeviceMemory.
  Rank(const Shard& shard, const Device& device, Queue queue, DeviceModel model, const MemoryPlan& plan);

  Queue& queue() { return queue_; }
  const Workspace& work() const { return work_; }

  /// Describes the slices; `groups` are those of the plan. What is launched until the next call is for them.
  void begin(std::span<const Slice> slices, std::span<const KvGroup> groups);
  const Step& step() const { return step_; }

  /// Parts of a step: the attention of the first layer, its MLP, the attention of the second, ..., the last norm.
  std::size_t parts() const { return 2 * model_.layers.size() + 1; }
  /// Each begins with token ids, or with what the part before adds to the residual stream: work().branch, or, where
  /// there are several ranks, work().branches of all of them. The last one ends with work().normalized.
  void run(std::size_t part);
  /// The same; of a decode step whose shape comes again by a graph.
  void run_by_graph(std::size_t part);

  /// Whether the rank's output matrix has only some of the vocabulary's rows.
  bool has_part_of_head() const { return model_.lm_head.rows < config_.vocab_size; }
  /// Of the tokens whose logits are wanted, to work().selected.
  void select_logits_rows();
  /// The logits of `rows` of them, at most kLogitsRows, from `begin` on: to work().logits, or to work().logits_part.
  void compute_logits(std::int64_t begin, std::int64_t rows);

 private:
  void use() const { use_device(static_cast<int>(rank_)); }
  void embed_tokens();
  void add_branches();
  void run_attention(std::size_t layer);
  void run_mlp(std::size_t layer);
  void run_last_norm();
  void prepare_ropes();
  /// `branch_weight` is of the norm of work().branch.
  void add_and_normalize(bool has_branch, const float* branch_weight, const float* weight);
  Product product_of(const DeviceLinear& linear, const DeviceArray<Bfloat16>& x, const DeviceArray<float>& out) const;
  void multiply_by(const DeviceLinear& linear, const DeviceArray<Bfloat16>& x, const DeviceArray<float>& out);
  void compute_qkv(std::size_t layer);
  void attend_in(std::size_t layer);
  void run_dense(const DeviceLayer& layer);
  void run_experts(const DeviceLayer& layer);
  void multiply_experts(const DeviceExperts& experts, const DeviceArray<Bfloat16>& x, const std::int32_t* x_rows,
                        const Routing& routing, const DeviceArray<float>& out);
  void activate_rows(std::int64_t rows);

  std::int64_t rank_;
  std::int64_t ranks_;
  std::int64_t first_expert_;
  std::int64_t own_experts_;
  model::ModelConfig config_;  ///< of the shard
  AttentionResources resources_;
  Queue queue_;
  DeviceModel model_;
  std::vector<LayerPages> pages_;
  Workspace work_;
  StepInputs inputs_;
  Step step_;
  StepGraphs graphs_;  ///< of parts
};

}  // namespace gpuinfer::backend::cuda
