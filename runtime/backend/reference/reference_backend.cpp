// The transformer of ModelConfig, one formula after the other.
#include "runtime/backend/reference/reference_backend.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <ranges>

#include "runtime/backend/check_batch.hpp"
#include "runtime/backend/kv_groups.hpp"
#include "runtime/backend/reference/linear.hpp"
#include "runtime/model/finite.hpp"
#include "runtime/model/half.hpp"

namespace gpuinfer::backend {
namespace {

using model::Activation;
using model::LayerWeights;
using model::ModelConfig;

/// Where one token of the batch belongs.
struct Place {
  const Slice* slice;
  std::int64_t position;
};

/// Where a position of a sequence lives in the cache of a layer.
std::int64_t cache_slot(PageTable pages, std::int64_t position) {
  const std::int64_t page = pages[static_cast<std::size_t>(position / kPageTokens)];
  return page * kPageTokens + position % kPageTokens;
}

void rms_norm(std::span<const float> x, std::span<const float> weight, float epsilon, std::span<float> out) {
  double squares = 0;
  for (const float value : x) squares += static_cast<double>(value) * static_cast<double>(value);
  const auto scale =
      static_cast<float>(1 / std::sqrt(squares / static_cast<double>(x.size()) + static_cast<double>(epsilon)));
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = x[i] * scale * weight[i];
}

/// An empty weight: the model has no such norm.
Matrix rms_norm(const Matrix& x, const model::Tensor& weight, float epsilon) {
  if (weight.empty()) return x;
  const std::vector<float> weights = to_floats(weight);
  Matrix out(x.rows, x.columns);
  for (std::int64_t token = 0; token < x.rows; ++token) rms_norm(x.row(token), weights, epsilon, out.row(token));
  return out;
}

/// Rotates the pairs (i, i + head_dim/2) of one head.
void rotate(std::span<float> head, std::int64_t position, const model::Rope& rope) {
  const std::size_t half = head.size() / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const double angle = static_cast<double>(position) * rope.inverse_frequencies[i];
    const double cosine = rope.magnitude * std::cos(angle);
    const double sine = rope.magnitude * std::sin(angle);
    const auto first = static_cast<double>(head[i]);
    const auto second = static_cast<double>(head[i + half]);
    head[i] = static_cast<float>(first * cosine - second * sine);
    head[i + half] = static_cast<float>(second * cosine + first * sine);
  }
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double activate(const ModelConfig& config, double gate, double up) {
  const auto limit = static_cast<double>(config.swiglu_limit);
  switch (config.activation) {
    case Activation::kSilu:
      return gate * sigmoid(gate) * up;
    case Activation::kGeluTanh:
      return 0.5 * gate * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (gate + 0.044715 * std::pow(gate, 3)))) * up;
    case Activation::kClampedSwiglu:
      gate = std::min(gate, limit);
      return (std::clamp(up, -limit, limit) + 1) * gate * sigmoid(1.702 * gate);
  }
  return 0;
}

float round_to_bfloat16(float value) { return model::from_bfloat16(model::to_bfloat16(value)); }

void add(Matrix& x, const Matrix& y) { std::ranges::transform(x.values, y.values, x.values.begin(), std::plus<>()); }

class ReferenceBackend final : public Backend {
 public:
  ReferenceBackend(std::shared_ptr<const model::Model> model, std::vector<KvGroup> kv_groups, Precision precision)
      : model_(std::move(model)), config_(model_->config), kv_groups_(std::move(kv_groups)), precision_(precision) {
    for (const model::LayerConfig& layer : config_.layers) {
      groups_.push_back(group_of(layer, kv_groups_));
      const std::int64_t slots = kv_groups_[groups_.back()].pages * kPageTokens;
      keys_.emplace_back(slots, config_.kv_size());
      values_.emplace_back(slots, config_.kv_size());
    }
    for_each_tensor(model_->weights, [](const model::Tensor& tensor) { check_finite(tensor); });
    check_files();
  }

  std::string description() const override { return "reference"; }
  std::int64_t vocab_size() const override { return config_.vocab_size; }
  std::int64_t max_position_embeddings() const override { return config_.max_position_embeddings; }
  std::int64_t hidden_size() const override { return config_.hidden_size; }
  const std::vector<KvGroup>& kv_groups() const override { return kv_groups_; }

  void forward(std::span<const Slice> batch, std::span<float> logits, std::span<float> hidden,
               std::span<SampledToken> sampled) override {
    check_batch(*this, batch, logits, hidden, sampled);
    const model::Weights& weights = model_->weights;
    const std::vector<Place> places = places_of(batch);

    Matrix x = embed(batch);
    for (std::size_t layer = 0; layer < weights.layers.size(); ++layer) {
      const LayerWeights& w = weights.layers[layer];
      add(x, norm(linear(attention(layer, pass_on(norm(x, w.input_norm)), places), w.o), w.attention_output_norm));
      add(x, norm(mixture(w, pass_on(norm(x, w.mlp_norm))), w.mlp_output_norm));
    }
    x = pass_on(norm(x, weights.norm));
    const Matrix y = linear(rows_with_logits(x, batch), {.weight = weights.lm_head, .bias = {}});
    std::ranges::copy(y.values, logits.begin());
    write_hidden(x, batch, hidden);
    check_files();
  }

 private:
  void check_files() const {
    for (const auto& file : model_->files) file->check();
  }

  static std::vector<Place> places_of(std::span<const Slice> batch) {
    std::vector<Place> places;
    for (const Slice& slice : batch) {
      for (std::size_t i = 0; i < slice.tokens.size(); ++i) {
        places.push_back({&slice, slice.position + static_cast<std::int64_t>(i)});
      }
    }
    return places;
  }

  Matrix embed(std::span<const Slice> batch) const {
    std::vector<TokenId> ids;
    for (const Slice& slice : batch) ids.insert(ids.end(), slice.tokens.begin(), slice.tokens.end());
    Matrix x(static_cast<std::int64_t>(ids.size()), config_.hidden_size);
    for (std::int64_t token = 0; token < x.rows; ++token) {
      dequantize_row(model_->weights.embedding, ids[static_cast<std::size_t>(token)], x.row(token));
      for (float& value : x.row(token)) value *= config_.embedding_scale;
    }
    return x;
  }

  /// x in the precision in which the next formula reads it.
  Matrix pass_on(Matrix x) const {
    if (precision_ == Precision::kBfloat16) std::ranges::transform(x.values, x.values.begin(), round_to_bfloat16);
    return x;
  }

  Matrix norm(const Matrix& x, const model::Tensor& weight) const { return rms_norm(x, weight, config_.rms_norm_eps); }

  static Matrix rows_with_logits(const Matrix& x, std::span<const Slice> batch) {
    Matrix wanted(static_cast<std::int64_t>(count_logits_rows(batch)), x.columns);
    std::int64_t row = 0;
    std::int64_t token = 0;
    for (const Slice& slice : batch) {
      for (std::size_t i = 0; i < slice.tokens.size(); ++i, ++token) {
        const bool last = i + 1 == slice.tokens.size();
        if (slice.logits == Logits::kAll || (slice.logits == Logits::kLast && last)) {
          std::ranges::copy(x.row(token), wanted.row(row++).begin());
        }
      }
    }
    return wanted;
  }

  static void write_hidden(const Matrix& x, std::span<const Slice> batch, std::span<float> hidden) {
    std::int64_t token = 0;
    auto out = hidden.begin();
    for (const Slice& slice : batch) {
      for (std::size_t i = 0; i < slice.tokens.size(); ++i, ++token) {
        if (slice.hidden) out = std::ranges::copy(x.row(token), out).out;
      }
    }
  }

  /// softmax(q·kᵀ · attention_scale)·v over the positions up to each token's own: [tokens, heads·head_dim].
  Matrix attention(std::size_t layer, const Matrix& x, const std::vector<Place>& places) {
    const LayerWeights& w = model_->weights.layers[layer];
    Matrix q = linear(x, w.q);
    Matrix k = linear(x, w.k);
    const Matrix v = pass_on(linear(x, w.v));
    for (std::int64_t token = 0; token < x.rows; ++token) {
      const Place& place = places[static_cast<std::size_t>(token)];
      prepare_heads(q.row(token), w.q_norm, place.position, layer);
      prepare_heads(k.row(token), w.k_norm, place.position, layer);
    }
    q = pass_on(std::move(q));
    k = pass_on(std::move(k));
    for (std::int64_t token = 0; token < x.rows; ++token) {
      const Place& place = places[static_cast<std::size_t>(token)];
      const std::int64_t slot = cache_slot(pages_of(*place.slice, layer), place.position);
      std::ranges::copy(k.row(token), keys_[layer].row(slot).begin());
      std::ranges::copy(v.row(token), values_[layer].row(slot).begin());
    }
    Matrix out(x.rows, q.columns);
    for (std::int64_t token = 0; token < x.rows; ++token) {
      for (std::int64_t head = 0; head < config_.num_attention_heads; ++head) {
        attend(layer, places[static_cast<std::size_t>(token)], head, q.row(token), out.row(token));
      }
    }
    return pass_on(std::move(out));
  }

  PageTable pages_of(const Slice& slice, std::size_t layer) const { return slice.page_tables[groups_[layer]]; }

  /// Normalises each head where the model does so, and rotates it.
  void prepare_heads(std::span<float> heads, const model::Tensor& norm_weight, std::int64_t position,
                     std::size_t layer) const {
    const auto head_dim = static_cast<std::size_t>(config_.head_dim);
    for (std::size_t begin = 0; begin < heads.size(); begin += head_dim) {
      const std::span<float> head = heads.subspan(begin, head_dim);
      if (!norm_weight.empty()) rms_norm(head, to_floats(norm_weight), config_.rms_norm_eps, head);
      rotate(head, position, config_.ropes[config_.layers[layer].rope]);
    }
  }

  void attend(std::size_t layer, const Place& place, std::int64_t head, std::span<const float> q,
              std::span<float> out) {
    const auto head_dim = static_cast<std::size_t>(config_.head_dim);
    const std::int64_t kv_head = head / (config_.num_attention_heads / config_.num_key_value_heads);
    const auto begin = static_cast<std::size_t>(head) * head_dim;
    const auto kv_begin = static_cast<std::size_t>(kv_head) * head_dim;
    const std::int64_t window = config_.layers[layer].sliding_window.value_or(place.position + 1);
    const std::int64_t first = std::max<std::int64_t>(0, place.position + 1 - window);
    const PageTable pages = pages_of(*place.slice, layer);

    std::vector<double> weights;
    for (std::int64_t position = first; position <= place.position; ++position) {
      const auto key = keys_[layer].row(cache_slot(pages, position));
      double score = 0;
      for (std::size_t i = 0; i < head_dim; ++i) {
        score += static_cast<double>(q[begin + i]) * static_cast<double>(key[kv_begin + i]);
      }
      weights.push_back(score * static_cast<double>(config_.attention_scale));
    }
    double largest = std::ranges::max(weights);
    double total = 0;
    if (const model::Tensor& sinks = model_->weights.layers[layer].sinks; !sinks.empty()) {
      const auto sink = static_cast<double>(to_floats(sinks)[static_cast<std::size_t>(head)]);
      largest = std::max(largest, sink);
      total = std::exp(sink - largest);
    }
    for (double& weight : weights) total += weight = std::exp(weight - largest);

    std::vector<double> sum(head_dim);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const std::int64_t position = first + static_cast<std::int64_t>(i);
      const auto value = values_[layer].row(cache_slot(pages, position));
      for (std::size_t d = 0; d < head_dim; ++d) sum[d] += weights[i] * static_cast<double>(value[kv_begin + d]);
    }
    for (std::size_t d = 0; d < head_dim; ++d) out[begin + d] = static_cast<float>(sum[d] / total);
  }

  Matrix mlp(const model::Mlp& w, const Matrix& x) const {
    Matrix gate = linear(x, w.gate);
    const Matrix up = linear(x, w.up);
    for (std::size_t i = 0; i < gate.values.size(); ++i) {
      gate.values[i] =
          static_cast<float>(activate(config_, static_cast<double>(gate.values[i]), static_cast<double>(up.values[i])));
    }
    return linear(pass_on(std::move(gate)), w.down);
  }

  /// The layer's one MLP, or the weighted sum of those that the router picks for each token.
  Matrix mixture(const LayerWeights& w, const Matrix& x) const {
    if (w.router.weight.empty()) return mlp(w.experts.front(), x);
    const Matrix scores = linear(x, w.router);
    Matrix out(x.rows, x.columns);
    for (std::int64_t token = 0; token < x.rows; ++token) {
      Matrix one(1, x.columns);
      std::ranges::copy(x.row(token), one.values.begin());
      std::vector<double> sum(static_cast<std::size_t>(x.columns));
      for (const auto& [expert, weight] : pick_experts(scores.row(token))) {
        const Matrix y = mlp(w.experts[expert], one);
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weight * static_cast<double>(y.values[i]);
      }
      std::ranges::transform(sum, out.row(token).begin(), [](double value) { return static_cast<float>(value); });
    }
    return out;
  }

  struct PickedExpert {
    std::size_t index;
    double weight;
  };

  /// The experts with the highest scores; the first of equals, as torch.topk on a CPU.
  std::vector<PickedExpert> pick_experts(std::span<const float> scores) const {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return scores[i]; });
    const auto picked = static_cast<std::size_t>(config_.num_experts_per_tok);
    const std::size_t in_softmax = config_.softmax_over_picked ? picked : order.size();
    double total = 0;
    std::vector<PickedExpert> experts;
    for (std::size_t rank = 0; rank < in_softmax; ++rank) {
      const double weight = std::exp(static_cast<double>(scores[order[rank]] - scores[order.front()]));
      total += weight;
      if (rank < picked) experts.push_back({order[rank], weight});
    }
    for (PickedExpert& expert : experts) expert.weight /= total;
    return experts;
  }

  std::shared_ptr<const model::Model> model_;
  const ModelConfig& config_;
  std::vector<KvGroup> kv_groups_;
  Precision precision_;
  std::vector<std::size_t> groups_;  ///< of each layer
  /// For each layer: [pages · kPageTokens, kv_heads · head_dim].
  std::vector<Matrix> keys_;
  std::vector<Matrix> values_;
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend(std::shared_ptr<const model::Model> model,
                                                const std::vector<KvGroup>& kv_groups, Precision precision) {
  return std::make_unique<ReferenceBackend>(std::move(model), kv_groups, precision);
}

}  // namespace gpuinfer::backend
