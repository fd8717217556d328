// One step of the transformer as a sequence of kernels.
#include "runtime/backend/cuda/cuda_backend.hpp"

#include <algorithm>
#include <utility>

#include "runtime/backend/check_batch.hpp"
#include "runtime/backend/cpu/thread_pool.hpp"
#include "runtime/backend/cuda/activation.hpp"
#include "runtime/backend/cuda/attention.hpp"
#include "runtime/backend/cuda/device.hpp"
#include "runtime/backend/cuda/device_model.hpp"
#include "runtime/backend/cuda/embedding.hpp"
#include "runtime/backend/cuda/expert_product.hpp"
#include "runtime/backend/cuda/expert_sum.hpp"
#include "runtime/backend/cuda/kv_pages.hpp"
#include "runtime/backend/cuda/memory_plan.hpp"
#include "runtime/backend/cuda/product.hpp"
#include "runtime/backend/cuda/rms_norm.hpp"
#include "runtime/backend/cuda/rope.hpp"
#include "runtime/backend/cuda/router.hpp"
#include "runtime/backend/cuda/select_rows.hpp"
#include "runtime/backend/cuda/step.hpp"
#include "runtime/backend/cuda/step_graphs.hpp"
#include "runtime/backend/cuda/token_sampler.hpp"
#include "runtime/backend/cuda/workspace.hpp"

namespace gpuinfer::backend {
namespace cuda {
namespace {

/// Warps of a multiprocessor that are worth keeping busy.
constexpr std::int64_t kWarpsPerMultiprocessor = 16;

class CudaBackend final : public Backend {
 public:
  CudaBackend(const model::Model& model, const KvPlan& kv_plan, int threads)
      : device_(open_device()),
        config_(model.config),
        plan_(plan_memory(device_, device_bytes(model), config_, kv_plan)),
        model_(bring(model, threads)),
        pages_(make_pages(config_, plan_.kv_groups)),
        work_(config_) {}

  std::string description() const override { return "cuda (" + device_.name + ")"; }
  std::int64_t vocab_size() const override { return config_.vocab_size; }
  std::int64_t hidden_size() const override { return config_.hidden_size; }
  std::int64_t max_position_embeddings() const override { return config_.max_position_embeddings; }
  const std::vector<KvGroup>& kv_groups() const override { return plan_.kv_groups; }
  bool samples() const override { return true; }

  void forward(std::span<const Slice> batch, std::span<float> logits, std::span<float> hidden,
               std::span<SampledToken> sampled) override {
    check_batch(*this, batch, logits, hidden, sampled);
    for (const std::vector<Slice>& portion : cut_batch(batch, kStepTokens)) {
      const auto numbers = [](std::size_t rows, std::int64_t columns) {
        return rows * static_cast<std::size_t>(columns);
      };
      const std::size_t logits_size = numbers(count_logits_rows(portion), config_.vocab_size);
      const std::size_t hidden_size = numbers(count_hidden_rows(portion), config_.hidden_size);
      const std::size_t sampled_size = count_sampled(portion);
      compute(portion, logits.first(logits_size), hidden.first(hidden_size), sampled.first(sampled_size));
      logits = logits.subspan(logits_size);
      hidden = hidden.subspan(hidden_size);
      sampled = sampled.subspan(sampled_size);
    }
  }

 private:
  DeviceModel bring(const model::Model& model, int threads) {
    ThreadPool pool(threads);
    return upload_model(model, pool, queue_);
  }

  /// All layers for the tokens of `slices`.
  void compute(std::span<const Slice> slices, std::span<float> logits, std::span<float> hidden,
               std::span<SampledToken> sampled) {
    queue_.wait();  // Where the last step threw, its inputs may still be on their way.
    const Step step = make_step(
        slices, plan_.kv_groups, {.heads = config_.num_attention_heads, .kv_heads = config_.num_key_value_heads},
        {.warps = device_.multiprocessors * kWarpsPerMultiprocessor, .partials = kPartials}, inputs_, queue_);
    sampler_.begin(step.rows, queue_);
    const auto launches = [&] { run_layers(step); };
    if (step.shape) {
      graphs_.run(*step.shape, queue_, launches);
    } else {
      launches();
    }
    download_hidden(slices, hidden);
    compute_logits(step, logits, sampled);
  }

  /// From token ids to work_.normalized. Decode steps of one shape launch the same kernels with the same arguments.
  void run_layers(const Step& step) {
    embed({.table = model_.embedding,
           .scale = config_.embedding_scale,
           .ids = step.ids,
           .hidden = work_.hidden.data(),
           .tokens = step.tokens,
           .hidden_size = config_.hidden_size},
          queue_.stream());
    prepare_ropes(step);
    const float* branch_weight = nullptr;  // Of the norm of what the layer before left in work_.branch.
    bool has_branch = false;
    for (std::size_t i = 0; i < model_.layers.size(); ++i) {
      const DeviceLayer& layer = model_.layers[i];
      add_and_normalize(step, has_branch, branch_weight, layer.input_norm);
      multiply_by(layer.qkv, work_.normalized, work_.qkv, step.tokens);
      attend_in(i, step);
      multiply_by(layer.o, work_.attended, work_.branch, step.tokens);
      add_and_normalize(step, true, layer.attention_output_norm, layer.mlp_norm);
      if (config_.num_experts == 0) {
        run_mlp(layer, step.tokens);
      } else {
        run_experts(layer, step.tokens);
      }
      has_branch = true;
      branch_weight = layer.mlp_output_norm;
    }
    add_and_normalize(step, has_branch, branch_weight, model_.norm);
  }

  void prepare_ropes(const Step& step) {
    for (std::size_t i = 0; i < config_.ropes.size(); ++i) {
      compute_rope_angles({.turns_per_position = model_.turns_per_position[i],
                           .magnitude = static_cast<float>(config_.ropes[i].magnitude),
                           .positions = step.positions,
                           .cosines = work_.cosines[i].data(),
                           .sines = work_.sines[i].data(),
                           .tokens = step.tokens,
                           .head_dim = config_.head_dim},
                          queue_.stream());
    }
  }

  void add_and_normalize(const Step& step, bool has_branch, const float* branch_weight, const float* weight) {
    add_rms_norm({.hidden = work_.hidden.data(),
                  .branch = has_branch ? work_.branch.data() : nullptr,
                  .branch_weight = branch_weight,
                  .weight = weight,
                  .out = work_.normalized.data(),
                  .tokens = step.tokens,
                  .hidden_size = config_.hidden_size,
                  .epsilon = config_.rms_norm_eps},
                 queue_.stream());
  }

  void multiply_by(const DeviceLinear& linear, const DeviceArray<Bfloat16>& x, const DeviceArray<float>& out,
                   std::int64_t tokens) {
    multiply({.weight = linear.weight,
              .bias = linear.bias,
              .x = x.data(),
              .out = out.data(),
              .tokens = tokens,
              .rows = linear.rows,
              .columns = linear.columns},
             queue_.stream());
  }

  /// From work_.qkv to work_.attended, by way of the cache.
  void attend_in(std::size_t index, const Step& step) {
    const DeviceLayer& layer = model_.layers[index];
    const model::LayerConfig& settings = config_.layers[index];
    const LayerPages& pages = pages_[index];
    const StepGroup& group = step.groups[pages.group];
    rotate_and_store({.qkv = work_.qkv.data(),
                      .q_norm = layer.q_norm,
                      .k_norm = layer.k_norm,
                      .cosines = work_.cosines[settings.rope].data(),
                      .sines = work_.sines[settings.rope].data(),
                      .slots = group.slots,
                      .queries = work_.queries.data(),
                      .keys = pages.keys.data(),
                      .values = pages.values.data(),
                      .tokens = step.tokens,
                      .heads = config_.num_attention_heads,
                      .kv_heads = config_.num_key_value_heads,
                      .head_dim = config_.head_dim,
                      .epsilon = config_.rms_norm_eps},
                     queue_.stream());
    attend({.queries = work_.queries.data(),
            .keys = pages.keys.data(),
            .values = pages.values.data(),
            .sinks = layer.sinks,
            .slices = group.slices,
            .page_tables = step.page_tables,
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
            .window = settings.sliding_window.value_or(0),
            .scale = config_.attention_scale},
           queue_.stream());
  }

  /// From work_.normalized to work_.branch, as run_experts().
  void run_mlp(const DeviceLayer& layer, std::int64_t tokens) {
    multiply_by(layer.gate_up, work_.normalized, work_.gate_up, tokens);
    activate_rows(tokens);
    multiply_by(layer.down, work_.activated, work_.branch, tokens);
  }

  void run_experts(const DeviceLayer& layer, std::int64_t tokens) {
    const std::int64_t rows = tokens * config_.num_experts_per_tok;
    multiply_by(layer.router, work_.normalized, work_.scores, tokens);
    const Routing routing{.scores = work_.scores.data(),
                          .picked = work_.picked.data(),
                          .weights = work_.pick_weights.data(),
                          .rows = work_.pick_rows.data(),
                          .tokens_of_rows = work_.tokens_of_rows.data(),
                          .tiles = work_.expert_tiles.data(),
                          .tokens = tokens,
                          .experts = config_.num_experts,
                          .picks = config_.num_experts_per_tok,
                          .tile_rows = expert_tile_rows(rows, config_.num_experts),
                          .softmax_over_picked = config_.softmax_over_picked};
    route(routing, queue_.stream());
    multiply_experts(layer.expert_gate_up, work_.normalized, routing.tokens_of_rows, routing, work_.gate_up);
    activate_rows(rows);
    multiply_experts(layer.expert_down, work_.activated, nullptr, routing, work_.expert_results);
    add_experts({.results = work_.expert_results.data(),
                 .weights = routing.weights,
                 .rows = routing.rows,
                 .out = work_.branch.data(),
                 .tokens = tokens,
                 .picks = routing.picks,
                 .hidden_size = config_.hidden_size},
                queue_.stream());
  }

  /// `x_rows` as in ExpertProduct.
  void multiply_experts(const DeviceExperts& experts, const DeviceArray<Bfloat16>& x, const std::int32_t* x_rows,
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

  void activate_rows(std::int64_t rows) {
    activate({.gate_up = work_.gate_up.data(),
              .out = work_.activated.data(),
              .tokens = rows,
              .intermediate_size = config_.intermediate_size,
              .activation = config_.activation,
              .limit = config_.swiglu_limit},
             queue_.stream());
  }

  void download_hidden(std::span<const Slice> slices, std::span<float> hidden) {
    if (hidden.empty()) return;
    const auto columns = static_cast<std::size_t>(config_.hidden_size);
    std::size_t tokens = 0;
    for (const Slice& slice : slices) tokens += slice.tokens.size();
    std::vector<Bfloat16> rows(tokens * columns);
    queue_.download(std::as_writable_bytes(std::span(rows)), work_.normalized.data());
    queue_.wait();
    std::span<const Bfloat16> rest = rows;
    for (const Slice& slice : slices) {
      const std::span<const Bfloat16> of_slice = rest.first(slice.tokens.size() * columns);
      rest = rest.subspan(of_slice.size());
      if (!slice.hidden) continue;
      std::ranges::transform(of_slice, hidden.begin(), widen);
      hidden = hidden.subspan(of_slice.size());
    }
  }

  /// And gives of each row what is wanted: the logits, the next token.
  void compute_logits(const Step& step, std::span<float> logits, std::span<SampledToken> sampled) {
    select_rows({.x = work_.normalized.data(),
                 .rows = step.logits_tokens,
                 .out = work_.selected.data(),
                 .count = step.logits_rows,
                 .columns = config_.hidden_size},
                queue_.stream());
    for (std::int64_t begin = 0; begin < step.logits_rows; begin += kLogitsRows) {
      const std::int64_t rows = std::min(kLogitsRows, step.logits_rows - begin);
      multiply({.weight = model_.lm_head.weight,
                .x = work_.selected.data() + begin * config_.hidden_size,
                .out = work_.logits.data(),
                .tokens = rows,
                .rows = config_.vocab_size,
                .columns = config_.hidden_size},
               queue_.stream());
      sampler_.sample(begin, config_.vocab_size, work_, queue_);
      logits = download_logits(
          std::span(step.rows).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(rows)), logits);
    }
    sampler_.download(work_, queue_);
    queue_.wait();
    std::ranges::copy(sampler_.tokens(), sampled.begin());
  }

  /// Of those rows of work_.logits that are wanted, and returns where the next ones go.
  std::span<float> download_logits(std::span<const LogitsRow> rows, std::span<float> logits) {
    const auto size = static_cast<std::size_t>(config_.vocab_size);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!rows[i].wanted) continue;
      queue_.download(std::as_writable_bytes(logits.first(size)), work_.logits.data() + i * size);
      logits = logits.subspan(size);
    }
    return logits;
  }

  Device device_;
  model::ModelConfig config_;
  MemoryPlan plan_;
  Queue queue_;
  DeviceModel model_;
  std::vector<LayerPages> pages_;
  Workspace work_;
  StepInputs inputs_;
  StepGraphs graphs_;
  TokenSampler sampler_;
};

}  // namespace
}  // namespace cuda

std::unique_ptr<Backend> make_cuda_backend(const model::Model& model, const KvPlan& kv_plan, int threads) {
  return std::make_unique<cuda::CudaBackend>(model, kv_plan, threads);
}

}  // namespace gpuinfer::backend
