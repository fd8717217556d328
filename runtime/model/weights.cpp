// The shapes of a transformer.
#include "runtime/model/weights.hpp"

namespace gpuinfer::model {
namespace {

/// Tensors whose names share a beginning.
class Group {
 public:
  Group(TensorTable& tensors, std::string prefix) : tensors_(tensors), prefix_(std::move(prefix)) {}

  Tensor tensor(const std::string& name, const std::vector<std::int64_t>& shape) const {
    return name.empty() ? Tensor{} : tensors_.take(prefix_ + name, shape);
  }

  Linear linear(const LinearNames& names, std::int64_t out, std::int64_t in) const {
    return {.weight = tensor(names.weight, {out, in}), .bias = tensor(names.bias, {out})};
  }

 private:
  TensorTable& tensors_;
  std::string prefix_;
};

/// For both kinds of constness.
template <typename W, typename Visit>
void visit_all(W& weights, const Visit& visit) {
  const auto tensor = [&](auto& one) {
    if (!one.empty()) visit(one);
  };
  const auto linear = [&](auto& one) {
    tensor(one.weight);
    tensor(one.bias);
  };
  tensor(weights.embedding);
  for (auto& layer : weights.layers) {
    tensor(layer.input_norm);
    for (auto* one : {&layer.q, &layer.k, &layer.v}) linear(*one);
    for (auto* one : {&layer.q_norm, &layer.k_norm, &layer.sinks}) tensor(*one);
    linear(layer.o);
    tensor(layer.attention_output_norm);
    tensor(layer.mlp_norm);
    linear(layer.router);
    for (auto& expert : layer.experts) {
      for (auto* one : {&expert.gate, &expert.up, &expert.down}) linear(*one);
    }
    tensor(layer.mlp_output_norm);
  }
  tensor(weights.norm);
  tensor(weights.lm_head);
}

}  // namespace

void for_each_tensor(Weights& weights, const std::function<void(Tensor&)>& visit) { visit_all(weights, visit); }

void for_each_tensor(const Weights& weights, const std::function<void(const Tensor&)>& visit) {
  visit_all(weights, visit);
}

Mlp take_mlp(TensorTable& tensors, const std::string& prefix, const MlpNames& names, const ModelConfig& config) {
  const Group group(tensors, prefix);
  return {.gate = group.linear(names.gate, config.intermediate_size, config.hidden_size),
          .up = group.linear(names.up, config.intermediate_size, config.hidden_size),
          .down = group.linear(names.down, config.hidden_size, config.intermediate_size)};
}

Weights take_weights(TensorTable& tensors, const TensorNames& names, const ModelConfig& config,
                     const TakeExperts& take_experts) {
  const std::int64_t hidden = config.hidden_size;
  Weights weights;
  weights.embedding = tensors.take(names.embedding, {config.vocab_size, hidden});
  weights.norm = tensors.take(names.norm, {hidden});
  weights.lm_head =
      tensors.contains(names.lm_head) ? tensors.take(names.lm_head, {config.vocab_size, hidden}) : weights.embedding;
  for (std::size_t index = 0; index < config.layers.size(); ++index) {
    const std::string prefix = names.layer_prefix + std::to_string(index) + ".";
    const Group layer(tensors, prefix);
    weights.layers.push_back({.input_norm = layer.tensor(names.input_norm, {hidden}),
                              .q = layer.linear(names.q, config.q_size(), hidden),
                              .k = layer.linear(names.k, config.kv_size(), hidden),
                              .v = layer.linear(names.v, config.kv_size(), hidden),
                              .q_norm = layer.tensor(names.q_norm, {config.head_dim}),
                              .k_norm = layer.tensor(names.k_norm, {config.head_dim}),
                              .sinks = layer.tensor(names.sinks, {config.num_attention_heads}),
                              .o = layer.linear(names.o, hidden, config.q_size()),
                              .attention_output_norm = layer.tensor(names.attention_output_norm, {hidden}),
                              .mlp_norm = layer.tensor(names.mlp_norm, {hidden}),
                              .router = layer.linear(names.router, config.num_experts, hidden),
                              .experts = take_experts(prefix),
                              .mlp_output_norm = layer.tensor(names.mlp_output_norm, {hidden})});
  }
  tensors.check_all_taken();
  return weights;
}

}  // namespace gpuinfer::model
