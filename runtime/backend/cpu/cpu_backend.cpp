// One step of the transformer as a sequence of parallel loops.
#include "runtime/backend/cpu/cpu_backend.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "runtime/backend/check_batch.hpp"
#include "runtime/backend/cpu/attention_batch.hpp"
#include "runtime/backend/cpu/elementwise.hpp"
#include "runtime/backend/cpu/kv_cache.hpp"
#include "runtime/backend/cpu/matmul.hpp"
#include "runtime/backend/cpu/packed_model.hpp"
#include "runtime/backend/cpu/routing.hpp"
#include "runtime/backend/cpu/thread_pool.hpp"

namespace gpuinfer::backend {
namespace {

/// Longer batches are computed in portions, so that what lies between two layers stays small.
constexpr std::int64_t kMaximumTokens = 512;
/// Tokens for which one task of a product runs: their activations stay in a core's cache.
constexpr std::int64_t kProductTokens = 64;
/// Tokens for which one task of attention runs: each page is read once for all of them.
constexpr std::int64_t kAttentionTokens = 8;
/// Tasks for each thread, so that threads which lose their core for a moment do not hold up the others for long.
constexpr std::int64_t kTasksPerThread = 4;
constexpr std::int64_t kMinimumGroupsPerTask = 4;

/// One token of a batch.
struct Token {
  TokenId id;
  std::int64_t position;
  std::span<const PageTable> page_tables;
  bool wants_logits;
  bool wants_hidden;

  std::int64_t page(std::size_t group) const {
    return page_tables[group][static_cast<std::size_t>(position / kPageTokens)];
  }
};

std::vector<Token> tokens_of(std::span<const Slice> batch) {
  std::vector<Token> tokens;
  for (const Slice& slice : batch) {
    for (std::size_t i = 0; i < slice.tokens.size(); ++i) {
      const bool last = i + 1 == slice.tokens.size();
      tokens.push_back({slice.tokens[i], slice.position + static_cast<std::int64_t>(i), slice.page_tables,
                        slice.logits == Logits::kAll || (slice.logits == Logits::kLast && last), slice.hidden});
    }
  }
  return tokens;
}

KvType kv_type_of(const model::Model& model) {
  const model::DataType type = model.weights.layers.front().k.weight.type;
  return type == model::DataType::kF32 ? KvType::kFloat32 : KvType::kFloat16;
}

class CpuBackend final : public Backend {
 public:
  CpuBackend(const model::Model& model, const std::vector<KvGroup>& kv_groups, int threads, KvType kv_type)
      : pool_(threads), model_(pack_model(model, pool_)), config_(model_.config), cache_(config_, kv_groups, kv_type) {}

  std::string description() const override {
    const int threads = pool_.threads();
    return "cpu (" + instruction_set() + ", " + std::to_string(threads) + (threads == 1 ? " thread)" : " threads)");
  }
  std::int64_t vocab_size() const override { return config_.vocab_size; }
  std::int64_t max_position_embeddings() const override { return config_.max_position_embeddings; }
  std::int64_t hidden_size() const override { return config_.hidden_size; }
  const std::vector<KvGroup>& kv_groups() const override { return cache_.groups(); }

  void forward(std::span<const Slice> batch, std::span<float> logits, std::span<float> hidden,
               std::span<SampledToken> sampled) override {
    check_batch(*this, batch, logits, hidden, sampled);
    const std::vector<Token> all = tokens_of(batch);
    float* next_logits = logits.data();
    float* next_hidden = hidden.data();
    for (std::size_t begin = 0; begin < all.size(); begin += kMaximumTokens) {
      const auto tokens = std::span(all).subspan(begin, std::min<std::size_t>(kMaximumTokens, all.size() - begin));
      compute(tokens, next_logits, next_hidden);
      next_logits += std::ranges::count_if(tokens, &Token::wants_logits) * config_.vocab_size;
      next_hidden += std::ranges::count_if(tokens, &Token::wants_hidden) * config_.hidden_size;
    }
    for (const auto& file : model_.files) file->check();
  }

 private:
  using Matrices = std::initializer_list<const PackedMatrix*>;

  /// All layers for `tokens`; the rows that they want go to `logits` and `hidden`.
  void compute(std::span<const Token> tokens, float* logits, float* hidden) {
    const auto count = static_cast<std::int64_t>(tokens.size());
    embed(tokens);
    prepare_rope(tokens);
    for (std::size_t i = 0; i < model_.layers.size(); ++i) {
      const PackedLayer& layer = model_.layers[i];
      norm(count, layer.input_norm, {&layer.q.weight, &layer.k.weight, &layer.v.weight});
      linear({&layer.q.weight, &layer.k.weight, &layer.v.weight}, input_, count,
             wide(count, config_.q_size() + 2 * config_.kv_size()), false);
      attend(static_cast<std::int64_t>(i), tokens);
      add_to_hidden(layer.o, attended_, count, layer.attention_output_norm);
      if (layer.has_router()) {
        add_mixture(layer, count);
      } else {
        add_mlp(layer, count);
      }
    }
    write_hidden(tokens, hidden);
    const std::int64_t wanted = keep_wanted(tokens);
    norm(wanted, model_.norm, {&model_.lm_head});
    linear({&model_.lm_head}, input_, wanted, logits, false);
  }

  void embed(std::span<const Token> tokens) {
    hidden_.resize(tokens.size() * static_cast<std::size_t>(config_.hidden_size));
    for_each_token(static_cast<std::int64_t>(tokens.size()), [&](std::int64_t t) {
      dequantize_row(model_.embedding, tokens[static_cast<std::size_t>(t)].id, hidden_row(t));
      if (config_.embedding_scale == 1) return;
      for (float& value : hidden_row(t)) value *= config_.embedding_scale;
    });
  }

  /// Cosines and sines of each token's position for each of the model's RoPEs, whatever layer uses it.
  void prepare_rope(std::span<const Token> tokens) {
    const auto half = static_cast<std::size_t>(config_.head_dim / 2);
    rotations_.resize(config_.ropes.size());
    for (std::size_t r = 0; r < rotations_.size(); ++r) {
      Rotations& rotations = rotations_[r];
      const model::Rope& rope = config_.ropes[r];
      rotations.cosines.resize(tokens.size() * half);
      rotations.sines.resize(tokens.size() * half);
      for_each_token(static_cast<std::int64_t>(tokens.size()), [&](std::int64_t t) {
        const auto token = static_cast<std::size_t>(t);
        for (std::size_t i = 0; i < half; ++i) {
          const double angle = static_cast<double>(tokens[token].position) * rope.inverse_frequencies[i];
          rotations.cosines[token * half + i] = static_cast<float>(rope.magnitude * std::cos(angle));
          rotations.sines[token * half + i] = static_cast<float>(rope.magnitude * std::sin(angle));
        }
      });
    }
  }

  /// input_ = norm(hidden_), in the form that `consumers` read.
  void norm(std::int64_t count, const std::vector<float>& weight, Matrices consumers) {
    input_.resize(count, config_.hidden_size);
    for_each_token(count, [&](std::int64_t t) {
      rms_norm(hidden_row(t), weight.data(), config_.rms_norm_eps, input_.floats(t));
      prepare(input_, t, consumers);
    });
  }

  /// Quantises one token's activations where a quantised weight will read them.
  static void prepare(Activations& x, std::int64_t token, Matrices consumers) {
    if (std::ranges::any_of(consumers, wants_quantized)) quantize(x, token);
  }

  static bool wants_quantized(const PackedMatrix* matrix) { return model::is_quantized(matrix->type); }

  /// The products of x with each of `weights`, side by side in the rows of `out`.
  void linear(Matrices weights, const Activations& x, std::int64_t count, float* out, bool accumulate) {
    products_.clear();
    plan(weights, x, 0, count, out);
    run_products(accumulate);
  }

  /// Adds the products of the rows [begin, end) of x with each of `weights`, side by side in the rows of `out`.
  void plan(Matrices weights, const Activations& x, std::int64_t begin, std::int64_t end, float* out) {
    std::int64_t stride = 0;
    for (const PackedMatrix* weight : weights) stride += weight->rows;
    for (const PackedMatrix* weight : weights) {
      products_.push_back({weight, &x, begin, end, out, stride});
      out += weight->rows;
    }
  }

  /// Computes all planned products at once, cut into tasks.
  void run_products(bool accumulate) {
    std::int64_t groups = 0;
    for (const Product& product : products_) groups += product.weight->groups();
    const std::int64_t per_task =
        std::max(kMinimumGroupsPerTask, groups / (kTasksPerThread * static_cast<std::int64_t>(pool_.threads())));
    product_tasks_.clear();
    for (const Product& product : products_) {
      for (std::int64_t token = product.begin; token < product.end; token += kProductTokens) {
        for (std::int64_t group = 0; group < product.weight->groups(); group += per_task) {
          product_tasks_.push_back({&product,
                                    {.group_begin = group,
                                     .group_end = std::min(group + per_task, product.weight->groups()),
                                     .token_begin = token,
                                     .token_end = std::min(token + kProductTokens, product.end)}});
        }
      }
    }
    pool_.parallel_for(static_cast<std::int64_t>(product_tasks_.size()), [&](std::int64_t i) {
      const auto& [product, range] = product_tasks_[static_cast<std::size_t>(i)];
      matmul(*product->weight, *product->x, range, product->out, product->stride, accumulate);
    });
  }

  /// attended_ = attention over what linear() left in wide_, after keys and values went into the cache.
  void attend(std::int64_t index, std::span<const Token> tokens) {
    const PackedLayer& layer = model_.layers[static_cast<std::size_t>(index)];
    const auto count = static_cast<std::int64_t>(tokens.size());
    const std::int64_t row = config_.q_size() + 2 * config_.kv_size();
    for_each_token(count, [&](std::int64_t t) {
      rotate_and_store(index, tokens[static_cast<std::size_t>(t)], t, wide_.data() + t * row);
    });

    attended_.resize(count, config_.q_size());
    attention_.clear();
    for (std::int64_t begin = 0, end = 0; begin < count; begin = end) {
      const Token& first = tokens[static_cast<std::size_t>(begin)];
      end = begin + 1;
      while (end < count && end - begin < kAttentionTokens &&
             follows(tokens[static_cast<std::size_t>(end)], first, end - begin))
        ++end;
      for (std::int64_t kv_head = 0; kv_head < config_.num_key_value_heads; ++kv_head) {
        const std::int64_t heads = config_.num_attention_heads / config_.num_key_value_heads;
        const std::int64_t first_query = kv_head * heads * config_.head_dim;
        attention_.add({.cache = cache_,
                        .layer = index,
                        .kv_head = kv_head,
                        .head_dim = config_.head_dim,
                        .heads = heads,
                        .sliding_window = config_.layers[static_cast<std::size_t>(index)].sliding_window,
                        .sinks = layer.sinks.empty() ? nullptr : layer.sinks.data() + kv_head * heads,
                        .pages = first.page_tables[cache_.group(index)],
                        .position = first.position,
                        .tokens = end - begin,
                        .queries = wide_.data() + begin * row + first_query,
                        .query_stride = row,
                        .out = attended_.floats(begin) + first_query,
                        .out_stride = config_.q_size()});
      }
    }
    attention_.run(pool_);
    for_each_token(count, [&](std::int64_t t) { prepare(attended_, t, {&layer.o.weight}); });
  }

  static bool follows(const Token& token, const Token& first, std::int64_t distance) {
    return token.page_tables.data() == first.page_tables.data() && token.position == first.position + distance;
  }

  void rotate_and_store(std::int64_t index, const Token& token, std::int64_t t, float* qkv) {
    const PackedLayer& layer = model_.layers[static_cast<std::size_t>(index)];
    const Rotations& rotations = rotations_[config_.layers[static_cast<std::size_t>(index)].rope];
    const auto head_dim = static_cast<std::size_t>(config_.head_dim);
    const float* const cosines = rotations.cosines.data() + t * config_.head_dim / 2;
    const float* const sines = rotations.sines.data() + t * config_.head_dim / 2;
    float* const keys = qkv + config_.q_size();
    float* const values = keys + config_.kv_size();
    add_bias(layer.q, qkv);
    add_bias(layer.k, keys);
    add_bias(layer.v, values);
    for (std::int64_t head = 0; head < config_.num_attention_heads; ++head) {
      const std::span query(qkv + head * config_.head_dim, head_dim);
      if (!layer.q_norm.empty()) rms_norm(query, layer.q_norm.data(), config_.rms_norm_eps, query.data());
      rope(query, cosines, sines, config_.attention_scale);
    }
    for (std::int64_t head = 0; head < config_.num_key_value_heads; ++head) {
      const std::span key(keys + head * config_.head_dim, head_dim);
      if (!layer.k_norm.empty()) rms_norm(key, layer.k_norm.data(), config_.rms_norm_eps, key.data());
      rope(key, cosines, sines, 1);
      store_key_value(cache_, {index, token.page(cache_.group(index)), head, token.position % kPageTokens}, key,
                      values + head * config_.head_dim);
    }
  }

  static void add_bias(const PackedLinear& layer, float* row) {
    if (!layer.bias.empty()) add({row, layer.bias.size()}, layer.bias.data(), 1);
  }

  /// hidden_ += layer(x), normalised first where the model does so.
  void add_to_hidden(const PackedLinear& layer, const Activations& x, std::int64_t count,
                     const std::vector<float>& output_norm) {
    if (output_norm.empty()) {
      linear({&layer.weight}, x, count, hidden_.data(), true);
      if (layer.bias.empty()) return;
      for_each_token(count, [&](std::int64_t t) { add_bias(layer, hidden_row(t).data()); });
      return;
    }
    float* const out = wide(count, config_.hidden_size);
    linear({&layer.weight}, x, count, out, false);
    for_each_token(count, [&](std::int64_t t) {
      float* const row = out + t * config_.hidden_size;
      add_bias(layer, row);
      add_branch(t, row, output_norm);
    });
  }

  /// A token's hidden state += what a branch computed for it, normalised first where the model does so.
  void add_branch(std::int64_t token, float* branch, const std::vector<float>& output_norm) {
    const std::span<float> hidden = hidden_row(token);
    if (!output_norm.empty()) {
      rms_norm({branch, hidden.size()}, output_norm.data(), config_.rms_norm_eps, branch);
    }
    add(hidden, branch, 1);
  }

  void add_mlp(const PackedLayer& layer, std::int64_t count) {
    const PackedMlp& mlp = layer.experts.front();
    norm(count, layer.mlp_norm, {&mlp.gate.weight, &mlp.up.weight});
    linear({&mlp.gate.weight, &mlp.up.weight}, input_, count, wide(count, 2 * config_.intermediate_size), false);
    activated_.resize(count, config_.intermediate_size);
    for_each_token(count, [&](std::int64_t t) { activate_row(mlp, t); });
    add_to_hidden(mlp.down, activated_, count, layer.mlp_output_norm);
  }

  /// activated_ = activation(gate, up) of a row of wide_, in the form that `mlp.down` reads.
  void activate_row(const PackedMlp& mlp, std::int64_t row) {
    const std::int64_t size = config_.intermediate_size;
    float* const gate = wide_.data() + row * 2 * size;
    add_bias(mlp.gate, gate);
    add_bias(mlp.up, gate + size);
    activate(config_.activation, config_.swiglu_limit, gate, gate + size,
             {activated_.floats(row), static_cast<std::size_t>(size)});
    prepare(activated_, row, {&mlp.down.weight});
  }

  /// hidden_ += the weighted sum of the experts that the router picks. Every expert computes all of its tokens at once;
  /// each token's sum is made in the order of its picks.
  void add_mixture(const PackedLayer& layer, std::int64_t count) {
    const PackedMlp& first = layer.experts.front();
    norm(count, layer.mlp_norm, {&layer.router.weight, &first.gate.weight});
    route(layer, count);
    expert_input_.resize(routing_.rows(), config_.hidden_size);
    const bool quantized = wants_quantized(&first.gate.weight) || wants_quantized(&layer.router.weight);
    for_each_token(routing_.rows(),
                   [&](std::int64_t row) { expert_input_.copy(row, input_, routing_.token(row), quantized); });

    float* const gate_up = wide(routing_.rows(), 2 * config_.intermediate_size);
    for_each_expert(layer, [&](const PackedMlp& expert, std::int64_t begin, std::int64_t end) {
      plan({&expert.gate.weight, &expert.up.weight}, expert_input_, begin, end, gate_up);
    });
    activated_.resize(routing_.rows(), config_.intermediate_size);
    for_each_token(count, [&](std::int64_t t) {
      for (std::int64_t rank = 0; rank < config_.num_experts_per_tok; ++rank) {
        const Routing::Pick& pick = routing_.pick(t, rank);
        activate_row(layer.experts[static_cast<std::size_t>(pick.expert)], pick.row);
      }
    });
    float* const down = wide(routing_.rows(), config_.hidden_size);
    for_each_expert(layer, [&](const PackedMlp& expert, std::int64_t begin, std::int64_t end) {
      plan({&expert.down.weight}, activated_, begin, end, down);
    });
    branch_.resize(static_cast<std::size_t>(count * config_.hidden_size));
    for_each_token(count, [&](std::int64_t t) {
      const auto size = static_cast<std::size_t>(config_.hidden_size);
      const std::span sum = std::span(branch_).subspan(static_cast<std::size_t>(t) * size, size);
      std::ranges::fill(sum, 0.0F);
      for (std::int64_t rank = 0; rank < config_.num_experts_per_tok; ++rank) {
        const Routing::Pick& pick = routing_.pick(t, rank);
        float* const row = down + pick.row * config_.hidden_size;
        add_bias(layer.experts[static_cast<std::size_t>(pick.expert)].down, row);
        add(sum, row, pick.weight);
      }
      add_branch(t, sum.data(), layer.mlp_output_norm);
    });
  }

  /// Normalised hidden states of the tokens that want them.
  void write_hidden(std::span<const Token> tokens, float* hidden) {
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      if (!tokens[t].wants_hidden) continue;
      rms_norm(hidden_row(static_cast<std::int64_t>(t)), model_.norm.data(), config_.rms_norm_eps, hidden);
      hidden += config_.hidden_size;
    }
  }

  /// Moves the hidden states of tokens that want logits to the front; how many there are.
  std::int64_t keep_wanted(std::span<const Token> tokens) {
    std::int64_t wanted = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      if (!tokens[t].wants_logits) continue;
      std::ranges::copy(hidden_row(static_cast<std::int64_t>(t)), hidden_row(wanted++).begin());
    }
    return wanted;
  }

  /// Plans what `plan_one` does for each expert that has rows, and computes it.
  template <typename PlanOne>
  void for_each_expert(const PackedLayer& layer, const PlanOne& plan_one) {
    products_.clear();
    for (std::int64_t e = 0; e < config_.num_experts; ++e) {
      const std::int64_t begin = routing_.first_row(e);
      const std::int64_t end = routing_.first_row(e + 1);
      if (begin < end) plan_one(layer.experts[static_cast<std::size_t>(e)], begin, end);
    }
    run_products(false);
  }

  void route(const PackedLayer& layer, std::int64_t count) {
    float* const scores = wide(count, config_.num_experts);
    linear({&layer.router.weight}, input_, count, scores, false);
    for_each_token(count, [&](std::int64_t t) { add_bias(layer.router, scores + t * config_.num_experts); });
    routing_.route(config_, scores, count);
  }

  void for_each_token(std::int64_t count, const std::function<void(std::int64_t)>& body) {
    pool_.parallel_for(count, body);
  }

  std::span<float> hidden_row(std::int64_t token) {
    const auto size = static_cast<std::size_t>(config_.hidden_size);
    return std::span(hidden_).subspan(static_cast<std::size_t>(token) * size, size);
  }

  /// Room for the widest results between two layers: [count, columns].
  float* wide(std::int64_t count, std::int64_t columns) {
    const auto size = static_cast<std::size_t>(count * columns);
    if (wide_.size() < size) wide_.resize(size);
    return wide_.data();
  }

  struct Product {
    const PackedMatrix* weight;
    const Activations* x;
    std::int64_t begin, end;  ///< rows of x, and of out
    float* out;
    std::int64_t stride;
  };

  struct ProductTask {
    const Product* product;
    MatmulRange range;
  };

  struct Rotations {
    std::vector<float> cosines, sines;  ///< [tokens, head_dim / 2]
  };

  ThreadPool pool_;
  PackedModel model_;
  const model::ModelConfig& config_;
  KvCache cache_;

  // Of the step under way; kept so that their memory is.
  std::vector<float> hidden_;  ///< the residual stream, [tokens, hidden_size]
  std::vector<float> wide_;    ///< the results of the last products
  std::vector<float> branch_;  ///< what the experts add up to, [tokens, hidden_size]
  std::vector<Rotations> rotations_;
  Activations input_, attended_, activated_, expert_input_;
  Routing routing_;
  std::vector<Product> products_;
  std::vector<ProductTask> product_tasks_;
  AttentionBatch attention_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(const model::Model& model, const std::vector<KvGroup>& kv_groups, int threads,
                                          std::optional<KvType> kv_type) {
  return std::make_unique<CpuBackend>(model, kv_groups, threads, kv_type.value_or(kv_type_of(model)));
}

}  // namespace gpuinfer::backend
