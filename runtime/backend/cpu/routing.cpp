// Picking and counting.
#include "runtime/backend/cpu/routing.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gpuinfer::backend {

void Routing::route(const model::ModelConfig& config, const float* scores, std::int64_t tokens) {
  per_token_ = config.num_experts_per_tok;
  picks_.clear();
  order_.resize(static_cast<std::size_t>(config.num_experts));
  first_rows_.assign(static_cast<std::size_t>(config.num_experts) + 1, 0);
  for (std::int64_t token = 0; token < tokens; ++token, scores += config.num_experts) {
    std::iota(order_.begin(), order_.end(), std::int64_t{0});
    const auto is_better = [&](std::int64_t a, std::int64_t b) {
      return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
    };
    std::partial_sort(order_.begin(), order_.begin() + per_token_, order_.end(), is_better);
    const auto best = static_cast<double>(scores[order_.front()]);
    const auto exponential = [&](std::int64_t expert) { return std::exp(static_cast<double>(scores[expert]) - best); };
    double total = 0;
    if (config.softmax_over_picked) {
      for (std::int64_t rank = 0; rank < per_token_; ++rank)
        total += exponential(order_[static_cast<std::size_t>(rank)]);
    } else {
      for (std::int64_t expert = 0; expert < config.num_experts; ++expert) total += exponential(expert);
    }
    for (std::int64_t rank = 0; rank < per_token_; ++rank) {
      const std::int64_t expert = order_[static_cast<std::size_t>(rank)];
      picks_.push_back({expert, static_cast<float>(exponential(expert) / total), 0});
      ++first_rows_[static_cast<std::size_t>(expert) + 1];
    }
  }
  std::partial_sum(first_rows_.begin(), first_rows_.end(), first_rows_.begin());

  tokens_.resize(picks_.size());
  std::vector<std::int64_t> next(first_rows_.begin(), first_rows_.end() - 1);
  for (std::size_t i = 0; i < picks_.size(); ++i) {
    picks_[i].row = next[static_cast<std::size_t>(picks_[i].expert)]++;
    tokens_[static_cast<std::size_t>(picks_[i].row)] = static_cast<std::int64_t>(i) / per_token_;
  }
}

}  // namespace gpuinfer::backend
