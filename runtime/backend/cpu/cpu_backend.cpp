// One step of the transformer as a sequence of parallel loops.
#include "runtime/backend/cpu/cpu_backend.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "runtime/backend/check_batch.hpp"
#include "runtime/backend/cpu/attention.hpp"
#include "runtime/backend/cpu/elementwise.hpp"
#include "runtime/backend/cpu/kv_cache.hpp"
#include "runtime/backend/cpu/matmul.hpp"
#include "runtime/backend/cpu/packed_model.hpp"
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
  std::span<const std::int32_t> pages;
  bool wants_logits;

  std::int64_t page() const { return pages[static_cast<std::size_t>(position / kPageTokens)]; }
};

std::vector<Token> tokens_of(std::span<const Slice> batch) {
  std::vector<Token> tokens;
  for (const Slice& slice : batch) {
    for (std::size_t i = 0; i < slice.tokens.size(); ++i) {
      const bool last = i + 1 == slice.tokens.size();
      tokens.push_back({slice.tokens[i], slice.position + static_cast<std::int64_t>(i), slice.pages,
                        slice.logits == Logits::kAll || (slice.logits == Logits::kLast && last)});
    }
  }
  return tokens;
}

class CpuBackend final : public Backend {
 public:
  CpuBackend(const model::Model& model, std::int64_t kv_pages, int threads)
      : pool_(threads), model_(pack_model(model, pool_)), config_(model_.config), cache_(config_, kv_pages) {}

  std::string description() const override {
    const int threads = pool_.threads();
    return "cpu (" + instruction_set() + ", " + std::to_string(threads) + (threads == 1 ? " thread)" : " threads)");
  }
  std::int64_t vocab_size() const override { return config_.vocab_size; }
  std::int64_t max_position_embeddings() const override { return config_.max_position_embeddings; }
  std::int64_t kv_pages() const override { return cache_.pages(); }

  void forward(std::span<const Slice> batch, std::span<float> logits) override {
    check_batch(*this, batch, logits);
    const std::vector<Token> all = tokens_of(batch);
    float* next_row = logits.data();
    for (std::size_t begin = 0; begin < all.size(); begin += kMaximumTokens) {
      const auto tokens = std::span(all).subspan(begin, std::min<std::size_t>(kMaximumTokens, all.size() - begin));
      compute(tokens, next_row);
      next_row += std::ranges::count_if(tokens, &Token::wants_logits) * config_.vocab_size;
    }
  }

 private:
  using Matrices = std::initializer_list<const PackedMatrix*>;

  std::int64_t q_size() const { return config_.num_attention_heads * config_.head_dim; }
  std::int64_t kv_size() const { return config_.num_key_value_heads * config_.head_dim; }

  /// All layers for `tokens`; the rows of logits that they want go to `logits`.
  void compute(std::span<const Token> tokens, float* logits) {
    const auto count = static_cast<std::int64_t>(tokens.size());
    embed(tokens);
    prepare_rope(tokens);
    for (std::size_t i = 0; i < model_.layers.size(); ++i) {
      const PackedLayer& layer = model_.layers[i];
      norm(count, layer.input_norm, {&layer.q, &layer.k, &layer.v});
      linear({&layer.q, &layer.k, &layer.v}, input_, count, wide(count, q_size() + 2 * kv_size()), false);
      attend(static_cast<std::int64_t>(i), tokens, layer.o);
      linear({&layer.o}, attended_, count, hidden_.data(), true);
      norm(count, layer.post_attention_norm, {&layer.gate, &layer.up});
      linear({&layer.gate, &layer.up}, input_, count, wide(count, 2 * config_.intermediate_size), false);
      activate(count, layer.down);
      linear({&layer.down}, activated_, count, hidden_.data(), true);
    }
    const std::int64_t wanted = keep_wanted(tokens);
    norm(wanted, model_.norm, {&model_.lm_head});
    linear({&model_.lm_head}, input_, wanted, logits, false);
  }

  void embed(std::span<const Token> tokens) {
    hidden_.resize(tokens.size() * static_cast<std::size_t>(config_.hidden_size));
    for_each_token(static_cast<std::int64_t>(tokens.size()), [&](std::int64_t t) {
      dequantize_row(model_.embedding, tokens[static_cast<std::size_t>(t)].id, hidden_row(t));
    });
  }

  /// Cosines and sines of each token's position, for all layers.
  void prepare_rope(std::span<const Token> tokens) {
    const std::size_t half = config_.rope_inverse_frequencies.size();
    cosines_.resize(tokens.size() * half);
    sines_.resize(tokens.size() * half);
    for_each_token(static_cast<std::int64_t>(tokens.size()), [&](std::int64_t t) {
      const auto token = static_cast<std::size_t>(t);
      for (std::size_t i = 0; i < half; ++i) {
        const double angle = static_cast<double>(tokens[token].position) * config_.rope_inverse_frequencies[i];
        cosines_[token * half + i] = static_cast<float>(std::cos(angle));
        sines_[token * half + i] = static_cast<float>(std::sin(angle));
      }
    });
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
    if (std::ranges::any_of(consumers, [](const PackedMatrix* m) { return model::is_quantized(m->type); })) {
      quantize(x, token);
    }
  }

  /// The products of x with each of `weights`, side by side in the rows of `out`.
  void linear(Matrices weights, const Activations& x, std::int64_t count, float* out, bool accumulate) {
    std::int64_t stride = 0;
    std::int64_t groups = 0;
    for (const PackedMatrix* weight : weights) {
      stride += weight->rows;
      groups += weight->groups();
    }
    const std::int64_t per_task =
        std::max(kMinimumGroupsPerTask, groups / (kTasksPerThread * static_cast<std::int64_t>(pool_.threads())));
    products_.clear();
    for (std::int64_t token = 0; token < count; token += kProductTokens) {
      float* first_column = out;
      for (const PackedMatrix* weight : weights) {
        for (std::int64_t group = 0; group < weight->groups(); group += per_task) {
          products_.push_back({weight,
                               {.group_begin = group,
                                .group_end = std::min(group + per_task, weight->groups()),
                                .token_begin = token,
                                .token_end = std::min(token + kProductTokens, count)},
                               first_column});
        }
        first_column += weight->rows;
      }
    }
    pool_.parallel_for(static_cast<std::int64_t>(products_.size()), [&](std::int64_t i) {
      const Product& product = products_[static_cast<std::size_t>(i)];
      matmul(*product.weight, x, product.range, product.out, stride, accumulate);
    });
  }

  /// attended_ = attention over what linear() left in wide_, after keys and values went into the cache.
  void attend(std::int64_t layer, std::span<const Token> tokens, const PackedMatrix& consumer) {
    const auto count = static_cast<std::int64_t>(tokens.size());
    const std::int64_t row = q_size() + 2 * kv_size();
    for_each_token(count, [&](std::int64_t t) {
      rotate_and_store(layer, tokens[static_cast<std::size_t>(t)], t, wide_.data() + t * row);
    });

    attended_.resize(count, q_size());
    attention_tasks_.clear();
    for (std::int64_t begin = 0, end = 0; begin < count; begin = end) {
      const Token& first = tokens[static_cast<std::size_t>(begin)];
      end = begin + 1;
      while (end < count && end - begin < kAttentionTokens &&
             follows(tokens[static_cast<std::size_t>(end)], first, end - begin))
        ++end;
      for (std::int64_t kv_head = 0; kv_head < config_.num_key_value_heads; ++kv_head) {
        const std::int64_t heads = config_.num_attention_heads / config_.num_key_value_heads;
        const std::int64_t first_query = kv_head * heads * config_.head_dim;
        attention_tasks_.push_back({.cache = cache_,
                                    .layer = layer,
                                    .kv_head = kv_head,
                                    .head_dim = config_.head_dim,
                                    .heads = heads,
                                    .sliding_window = config_.sliding_window,
                                    .pages = first.pages,
                                    .position = first.position,
                                    .tokens = end - begin,
                                    .queries = wide_.data() + begin * row + first_query,
                                    .query_stride = row,
                                    .out = attended_.floats(begin) + first_query,
                                    .out_stride = q_size()});
      }
    }
    pool_.parallel_for(static_cast<std::int64_t>(attention_tasks_.size()),
                       [&](std::int64_t i) { attention(attention_tasks_[static_cast<std::size_t>(i)]); });
    for_each_token(count, [&](std::int64_t t) { prepare(attended_, t, {&consumer}); });
  }

  static bool follows(const Token& token, const Token& first, std::int64_t distance) {
    return token.pages.data() == first.pages.data() && token.position == first.position + distance;
  }

  void rotate_and_store(std::int64_t layer, const Token& token, std::int64_t index, float* qkv) {
    const auto head_dim = static_cast<std::size_t>(config_.head_dim);
    const float* const cosines = cosines_.data() + index * config_.head_dim / 2;
    const float* const sines = sines_.data() + index * config_.head_dim / 2;
    const float query_scale = 1 / std::sqrt(static_cast<float>(config_.head_dim));
    for (std::int64_t head = 0; head < config_.num_attention_heads; ++head) {
      rope({qkv + head * config_.head_dim, head_dim}, cosines, sines, query_scale);
    }
    float* const keys = qkv + q_size();
    for (std::int64_t head = 0; head < config_.num_key_value_heads; ++head) {
      float* const key = keys + head * config_.head_dim;
      rope({key, head_dim}, cosines, sines, 1);
      cache_.store(layer, token.page(), head, token.position % kPageTokens, key, key + kv_size());
    }
  }

  /// activated_ = silu(gate) · up of what linear() left in wide_.
  void activate(std::int64_t count, const PackedMatrix& consumer) {
    const std::int64_t size = config_.intermediate_size;
    activated_.resize(count, size);
    for_each_token(count, [&](std::int64_t t) {
      const float* const gate = wide_.data() + t * 2 * size;
      swiglu(gate, gate + size, {activated_.floats(t), static_cast<std::size_t>(size)});
      prepare(activated_, t, {&consumer});
    });
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
    MatmulRange range;
    float* out;
  };

  ThreadPool pool_;
  PackedModel model_;
  const model::ModelConfig& config_;
  KvCache cache_;

  // Of the step under way; kept so that their memory is.
  std::vector<float> hidden_;  ///< the residual stream, [tokens, hidden_size]
  std::vector<float> wide_;    ///< q, k and v, or gate and up
  std::vector<float> cosines_, sines_;
  Activations input_, attended_, activated_;
  std::vector<Product> products_;
  std::vector<AttentionTask> attention_tasks_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(const model::Model& model, std::int64_t kv_pages, int threads) {
  return std::make_unique<CpuBackend>(model, kv_pages, threads);
}

}  // namespace gpuinfer::backend
