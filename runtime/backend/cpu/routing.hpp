// Which experts compute which tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/model/model_config.hpp"

namespace gpuinfer::backend {

/// The tokens of a batch sorted by expert: each expert then computes consecutive rows.
class Routing {
 public:
  /// What a token wants of one of its experts.
  struct Pick {
    std::int64_t expert;
    float weight;
    std::int64_t row;  ///< among all rows
  };

  /// Picks for each token the experts with the highest scores, the first of equals. `scores`: [tokens, num_experts].
  void route(const model::ModelConfig& config, const float* scores, std::int64_t tokens);

  /// tokens · num_experts_per_tok.
  std::int64_t rows() const { return static_cast<std::int64_t>(tokens_.size()); }
  /// Whose row this is.
  std::int64_t token(std::int64_t row) const { return tokens_[static_cast<std::size_t>(row)]; }
  /// The rows of an expert: [first_row(expert), first_row(expert + 1)).
  std::int64_t first_row(std::int64_t expert) const { return first_rows_[static_cast<std::size_t>(expert)]; }
  /// The pick of a token by rank, the best first.
  const Pick& pick(std::int64_t token, std::int64_t rank) const {
    return picks_[static_cast<std::size_t>(token * per_token_ + rank)];
  }

 private:
  std::int64_t per_token_ = 0;
  std::vector<Pick> picks_;
  std::vector<std::int64_t> first_rows_;
  std::vector<std::int64_t> tokens_;
  std::vector<std::int64_t> order_;
};

}  // namespace gpuinfer::backend
