// The shapes of a Llama-like transformer.
#include "runtime/model/weights.hpp"

namespace gpuinfer::model {

Weights take_weights(TensorTable& tensors, const TensorNames& names, const ModelConfig& config) {
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t intermediate = config.intermediate_size;
  const std::int64_t q_size = config.num_attention_heads * config.head_dim;
  const std::int64_t kv_size = config.num_key_value_heads * config.head_dim;

  Weights weights;
  weights.embedding = tensors.take(names.embedding, {config.vocab_size, hidden});
  weights.norm = tensors.take(names.norm, {hidden});
  weights.lm_head =
      tensors.contains(names.lm_head) ? tensors.take(names.lm_head, {config.vocab_size, hidden}) : weights.embedding;
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const auto take = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
      return tensors.take(names.layer_prefix + std::to_string(layer) + "." + name, shape);
    };
    weights.layers.push_back({.input_norm = take(names.input_norm, {hidden}),
                              .q = take(names.q, {q_size, hidden}),
                              .k = take(names.k, {kv_size, hidden}),
                              .v = take(names.v, {kv_size, hidden}),
                              .o = take(names.o, {hidden, q_size}),
                              .post_attention_norm = take(names.post_attention_norm, {hidden}),
                              .gate = take(names.gate, {intermediate, hidden}),
                              .up = take(names.up, {intermediate, hidden}),
                              .down = take(names.down, {hidden, intermediate})});
  }
  tensors.check_all_taken();
  return weights;
}

}  // namespace gpuinfer::model
