// The tokens of one request as the scheduler and the KV cache see them.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/engine/block_hash.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::engine {

struct Sequence {
  Sequence(std::uint64_t sequence_id, std::vector<TokenId> prompt, std::string_view cache_salt = "")
      : id(sequence_id), tokens(std::move(prompt)), hashes(cache_salt) {}

  /// With the tokens that are promised.
  std::int64_t length() const { return std::ssize(tokens) + promised; }
  std::int64_t remaining() const { return length() - computed; }

  /// In the order of arrival.
  std::uint64_t id;
  /// Lower goes first, whatever the order of arrival.
  std::int64_t priority = 0;
  /// The prompt and what was generated so far, as far as it is known.
  std::vector<TokenId> tokens;
  /// Tokens behind these that the steps under way will choose, and that may be computed before anybody knows them.
  std::int64_t promised = 0;
  /// The first `computed` tokens have their keys and values in the pages, or will have them after the steps under way.
  std::int64_t computed = 0;
  /// False where something is wanted from each token, so that each has to be computed.
  bool reuse_prefix = true;
  /// Tokens in one step at most.
  std::int64_t max_slice_tokens = std::numeric_limits<std::int64_t>::max();

  // The rest is the KV cache's.

  /// For each KV group the pages by position; kNoPage behind a window.
  std::vector<std::vector<std::int32_t>> page_tables = {};
  BlockHashes hashes;
  /// Whole blocks that are remembered for other sequences.
  std::int64_t remembered_blocks = 0;
  /// Tokens that were found in the cache.
  std::int64_t reused_tokens = 0;
};

}  // namespace gpuinfer::engine
