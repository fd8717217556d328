#include "runtime/backend/cuda/rank.hpp"

#include <utility>
#include <variant>

#include "runtime/backend/cuda/activation.hpp"
#include "runtime/backend/cuda/attention.hpp"
#include "runtime/backend/cuda/embedding.hpp"
#include "runtime/backend/cuda/expert_product.hpp"
#include "runtime/backend/cuda/expert_sum.hpp"
#include "runtime/backend/cuda/fused_qkv.hpp"
#include "runtime/backend/cuda/fused_router.hpp"
#include "runtime/backend/cuda/rank_sum.hpp"
#include "runtime/backend/cuda/rms_norm.hpp"
#include "runtime/backend/cuda/rope.hpp"
#include "runtime/backend/cuda/select_rows.hpp"

namespace gpuinfer::backend::cuda {
namespace {

/// Warps of a multiprocessor that are worth keeping busy.
constexpr std::int64_t kWarpsPerMultiprocessor = 16;

}  // namespace

Rank::Rank(const Shard& shard, const Device& device, Queue queue, DeviceModel model, const MemoryPlan& plan)
    : rank_(shard.rank),
      ranks_(shard.ranks),
      first_expert_(shard.first_expert()),
      own_experts_(shard.experts()),
      config_(shard.model.config),
      resources_{.warps = device.multiprocessors * kWarpsPerMultiprocessor, .partials = kPartials},
      queue_(std::move(queue)),
      model_(std::move(model)),
      pages_((use(), make_pages(config_, plan.kv_groups))),
      work_(config_, ranks_),
      graphs_(StepGraphs::kMostGraphs * parts()) {
  work_.clear_arrivals(queue_);
}

void Rank::begin(std::span<const Slice> slices, std::span<const KvGroup> groups) {
  use();
  step_ = make_step(slices, groups, {.heads = config_.num_attention_heads, .kv_heads = config_.num_key_value_heads},
                    resources_, inputs_, queue_);
}

void Rank::run(std::size_t part) {
  use();
  if (part == 0) {
    embed_tokens();
  } else if (ranks_ > 1) {
    add_branches();
  }
  if (part + 1 == parts()) {
    run_last_norm();
  } else if (part % 2 == 0) {
    run_attention(part / 2);
  } else {
    run_mlp(part / 2);
  }
}

void Rank::run_by_graph(std::size_t part) {
  if (!step_.shape) return run(part);
  use();
  StepShape shape = *step_.shape;
  shape.part = part;
  graphs_.run(shape, queue_, [&] { run(part); });
}

void Rank::embed_tokens() {
  embed({.table = model_.embedding,
         .scale = config_.embedding_scale,
         .ids = step_.ids,
         .chosen = work_.sampled.data(),
         .hidden = work_.hidden.data(),
         .tokens = step_.tokens,
         .hidden_size = config_.hidden_size},
        queue_.stream());
  prepare_ropes();
}

void Rank::run_attention(std::size_t index) {
  const DeviceLayer& layer = model_.layers[index];
  const bool is_first = index == 0;
  add_and_normalize(!is_first, is_first ? nullptr : model_.layers[index - 1].mlp_output_norm, layer.input_norm);
  compute_qkv(index);
  attend_in(index);
  multiply_by(layer.o, work_.attended, work_.branch);
}

void Rank::run_mlp(std::size_t index) {
  const DeviceLayer& layer = model_.layers[index];
  add_and_normalize(true, layer.attention_output_norm, layer.mlp_norm);
  if (config_.num_experts == 0) {
    run_dense(layer);
  } else {
    run_experts(layer);
  }
}

void Rank::add_branches() {
  add_ranks({.parts = work_.branches.data(),
             .out = work_.branch.data(),
             .ranks = ranks_,
             .numbers = step_.tokens * config_.hidden_size},
            queue_.stream());
}

void Rank::run_last_norm() {
  const bool has_layers = !model_.layers.empty();
  add_and_normalize(has_layers, has_layers ? model_.layers.back().mlp_output_norm : nullptr, model_.norm);
}

void Rank::select_logits_rows() {
  use();
  select_rows({.x = work_.normalized.data(),
               .rows = step_.logits_tokens,
               .out = work_.selected.data(),
               .count = step_.logits_rows,
               .columns = config_.hidden_size},
              queue_.stream());
}

void Rank::compute_logits(std::int64_t begin, std::int64_t rows) {
  use();
  multiply({.weight = model_.lm_head.weight,
            .x = work_.selected.data() + begin * config_.hidden_size,
            .out = (has_part_of_head() ? work_.logits_part : work_.logits).data(),
            .tokens = rows,
            .rows = model_.lm_head.rows,
            .columns = config_.hidden_size},
           queue_.stream());
}

void Rank::prepare_ropes() {
  for (std::size_t i = 0; i < config_.ropes.size(); ++i) {
    compute_rope_angles({.turns_per_position = model_.turns_per_position[i],
                         .magnitude = static_cast<float>(config_.ropes[i].magnitude),
                         .positions = step_.positions,
                         .cosines = work_.cosines[i].data(),
                         .sines = work_.sines[i].data(),
                         .tokens = step_.tokens,
                         .head_dim = config_.head_dim},
                        queue_.stream());
  }
}

void Rank::add_and_normalize(bool has_branch, const float* branch_weight, const float* weight) {
  add_rms_norm({.hidden = work_.hidden.data(),
                .branch = has_branch ? work_.branch.data() : nullptr,
                .branch_weight = branch_weight,
                .weight = weight,
                .out = work_.normalized.data(),
                .tokens = step_.tokens,
                .hidden_size = config_.hidden_size,
                .epsilon = config_.rms_norm_eps},
               queue_.stream());
}

Product Rank::product_of(const DeviceLinear& linear, const DeviceArray<Bfloat16>& x,
                         const DeviceArray<float>& out) const {
  return {.weight = linear.weight,
          .bias = linear.bias,
          .x = x.data(),
          .out = out.data(),
          .tokens = step_.tokens,
          .rows = linear.rows,
          .columns = linear.columns};
}

void Rank::multiply_by(const DeviceLinear& linear, const DeviceArray<Bfloat16>& x, const DeviceArray<float>& out) {
  multiply(product_of(linear, x, out), queue_.stream());
}

void Rank::compute_qkv(std::size_t index) {
  const DeviceLayer& layer = model_.layers[index];
  const std::size_t rope = config_.layers[index].rope;
  const LayerPages& pages = pages_[index];
  multiply_and_store({.product = product_of(layer.qkv, work_.normalized, work_.qkv),
                      .storing = {.qkv = work_.qkv.data(),
                                  .q_norm = layer.q_norm,
                                  .k_norm = layer.k_norm,
                                  .cosines = work_.cosines[rope].data(),
                                  .sines = work_.sines[rope].data(),
                                  .slots = step_.groups[pages.group].slots,
                                  .queries = work_.queries.data(),
                                  .keys = pages.keys.data(),
                                  .values = pages.values.data(),
                                  .tokens = step_.tokens,
                                  .heads = config_.num_attention_heads,
                                  .kv_heads = config_.num_key_value_heads,
                                  .head_dim = config_.head_dim,
                                  .epsilon = config_.rms_norm_eps},
                      .arrivals = work_.arrivals.data()},
                     queue_.stream());
}

void Rank::attend_in(std::size_t index) {
  const LayerPages& pages = pages_[index];
  const StepGroup& group = step_.groups[pages.group];
  attend({.queries = work_.queries.data(),
          .keys = pages.keys.data(),
          .values = pages.values.data(),
          .sinks = model_.layers[index].sinks,
          .slices = group.slices,
          .page_tables = step_.page_tables,
          .tiles = group.tiles,
          .merges = group.merges,
          .partial_sums = work_.partial_sums.data(),
          .partial_softmaxes = work_.partial_softmaxes.data(),
          .out = work_.attended.data(),
          .tile_count = group.tile_count,
          .merge_count = group.merge_count,
          .heads = config_.num_attention_heads,
          .kv_heads = config_.num_key_value_heads,
          .head_dim = config_.head_dim,
          .window = config_.layers[index].sliding_window.value_or(0),
          .scale = config_.attention_scale},
         queue_.stream());
}

void Rank::run_dense(const DeviceLayer& layer) {
  multiply_by(layer.gate_up, work_.normalized, work_.gate_up);
  activate_rows(step_.tokens);
  multiply_by(layer.down, work_.activated, work_.branch);
}

void Rank::run_experts(const DeviceLayer& layer) {
  const std::int64_t rows = step_.tokens * config_.num_experts_per_tok;
  const Routing routing{.scores = work_.scores.data(),
                        .picked = work_.picked.data(),
                        .weights = work_.pick_weights.data(),
                        .rows = work_.pick_rows.data(),
                        .tokens_of_rows = work_.tokens_of_rows.data(),
                        .tiles = work_.expert_tiles.data(),
                        .tokens = step_.tokens,
                        .experts = config_.num_experts,
                        .picks = config_.num_experts_per_tok,
                        .first_expert = first_expert_,
                        .own_experts = own_experts_,
                        .tile_rows = expert_tile_rows(rows, config_.num_experts),
                        .softmax_over_picked = config_.softmax_over_picked};
  multiply_and_route({.product = product_of(layer.router, work_.normalized, work_.scores),
                      .routing = routing,
                      .arrivals = work_.arrivals.data()},
                     queue_.stream());
  multiply_experts(layer.expert_gate_up, work_.normalized, routing.tokens_of_rows, routing, work_.gate_up);
  activate_rows(rows);
  multiply_experts(layer.expert_down, work_.activated, nullptr, routing, work_.expert_results);
  add_experts({.results = work_.expert_results.data(),
               .weights = routing.weights,
               .rows = routing.rows,
               .out = work_.branch.data(),
               .tokens = step_.tokens,
               .picks = routing.picks,
               .hidden_size = config_.hidden_size},
              queue_.stream());
}

void Rank::multiply_experts(const DeviceExperts& experts, const DeviceArray<Bfloat16>& x, const std::int32_t* x_rows,
                            const Routing& routing, const DeviceArray<float>& out) {
  const auto run = [&](const auto& weight) {
    multiply(ExpertProduct{.weight = weight,
                           .bias = experts.bias,
                           .x = x.data(),
                           .x_rows = x_rows,
                           .tiles = routing.tiles,
                           .out = out.data(),
                           .tile_count = routing.maximum_tiles(),
                           .tile_rows = routing.tile_rows,
                           .rows = experts.rows,
                           .columns = experts.columns},
             queue_.stream());
  };
  std::visit(run, experts.weight);
}

void Rank::activate_rows(std::int64_t rows) {
  activate({.gate_up = work_.gate_up.data(),
            .out = work_.activated.data(),
            .tokens = rows,
            .intermediate_size = config_.intermediate_size,
            .activation = config_.activation,
            .limit = config_.swiglu_limit},
           queue_.stream());
}

}  // namespace gpuinfer::backend::cuda
