// How many tokens the KV cache is for, as far as that is known before the memory is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/model/model_config.hpp"

namespace gpuinfer::backend {

/// The most pages that a group can have: positions in the cache are numbered in 32 bits.
inline constexpr std::int64_t kMostPages = (std::int64_t{1} << 31) / kPageTokens;

struct KvPlan {
  std::int64_t least_tokens = 0;  ///< with fewer the backend is of no use
  std::int64_t usual_tokens = 0;  ///< where memory is taken only as it is used
  std::int64_t most_tokens = 0;   ///< more would never be used
  /// Sequences in a step, and tokens in it: layers with a sliding window need no more pages than these reach.
  std::int64_t sequences = kMostPages;
  std::int64_t step_tokens = 0;
  /// The setting of the program that lowers least_tokens, for errors.
  std::string setting = "--max-model-len";

  /// As many pages in every group, neither more nor fewer.
  static KvPlan of_pages(std::int64_t pages) {
    return {
        .least_tokens = pages * kPageTokens, .usual_tokens = pages * kPageTokens, .most_tokens = pages * kPageTokens};
  }

  /// Of a cache for `tokens` tokens.
  std::vector<KvGroup> groups(const model::ModelConfig& config, std::int64_t tokens) const;
};

}  // namespace gpuinfer::backend
