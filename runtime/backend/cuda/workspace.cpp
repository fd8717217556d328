#include "runtime/backend/cuda/workspace.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace gpuinfer::backend::cuda {

/// Calls visit(array, elements) for each.
template <typename Visit>
void Workspace::for_each_array(const model::ModelConfig& config, std::int64_t ranks, const Visit& visit) {
  const std::int64_t picks = kStepTokens * config.num_experts_per_tok;
  const std::int64_t mlp_rows = std::max(kStepTokens, picks);
  visit(hidden, kStepTokens * config.hidden_size);
  visit(branch, kStepTokens * config.hidden_size);
  visit(normalized, kStepTokens * config.hidden_size);
  visit(qkv, kStepTokens * (config.q_size() + 2 * config.kv_size()));
  visit(queries, kStepTokens * config.q_size());
  visit(attended, kStepTokens * config.q_size());
  visit(partial_sums, kPartials * kTileQueries * config.kv_size());
  visit(partial_softmaxes, kPartials * kTileQueries * config.num_key_value_heads);
  visit(gate_up, mlp_rows * 2 * config.intermediate_size);
  visit(activated, mlp_rows * config.intermediate_size);
  visit(selected, kStepTokens * config.hidden_size);
  visit(logits, kLogitsRows * config.vocab_size);
  visit(sampled, kStepTokens);
  cosines.resize(config.ropes.size());
  sines.resize(config.ropes.size());
  for (DeviceArray<float>& array : cosines) visit(array, kStepTokens * config.head_dim / 2);
  for (DeviceArray<float>& array : sines) visit(array, kStepTokens * config.head_dim / 2);
  visit(arrivals, config.num_attention_heads + 2 * config.num_key_value_heads);
  visit(branches, ranks == 1 ? 0 : ranks * kStepTokens * config.hidden_size);
  visit(logits_part, ranks == 1 ? 0 : kLogitsRows * (config.vocab_size / ranks));
  visit(scores, kStepTokens * config.num_experts);
  visit(picked, picks);
  visit(pick_weights, picks);
  visit(pick_rows, picks);
  visit(tokens_of_rows, picks);
  visit(expert_tiles, picks);  // A tile has a row.
  visit(expert_results, picks * config.hidden_size);
}

Workspace::Workspace(const model::ModelConfig& config, std::int64_t ranks) {
  for_each_array(config, ranks, [](auto& array, std::int64_t elements) {
    array = std::remove_reference_t<decltype(array)>(static_cast<std::size_t>(elements));
  });
}

void Workspace::clear_arrivals(Queue& queue) {
  const std::vector<std::uint32_t> zeros(arrivals.size());
  queue.upload(arrivals.data(), std::as_bytes(std::span(zeros)));
  queue.wait();
}

std::int64_t Workspace::bytes(const model::ModelConfig& config, std::int64_t ranks) {
  std::int64_t bytes = 0;
  Workspace().for_each_array(config, ranks, [&]<typename T>(const DeviceArray<T>&, std::int64_t elements) {
    bytes += elements * std::int64_t{sizeof(T)};
  });
  return bytes;
}

}  // namespace gpuinfer::backend::cuda
