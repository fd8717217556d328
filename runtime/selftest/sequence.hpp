// A sequence on a backend, with its pages.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/backend/backend.hpp"

namespace gpuinfer::selftest {

/// Hands out the pages of a cache, each once, in an order in which neighbours are not neighbours in memory.
class Pages {
 public:
  Pages(std::int64_t count, std::uint64_t seed);

  std::int32_t take();

 private:
  std::vector<std::int32_t> left_;
};

class Sequence {
 public:
  /// Of at most `tokens` tokens.
  Sequence(const backend::Backend& backend, std::int64_t tokens, Pages& pages);

  /// The next tokens as a slice of a batch, valid until the next call. As in the engine, what lies behind a window has
  /// no pages any more.
  backend::Slice next(std::span<const TokenId> tokens, backend::Logits logits);

 private:
  const std::vector<backend::KvGroup>& groups_;
  std::vector<std::vector<std::int32_t>> tables_;  ///< of each group
  std::vector<backend::PageTable> views_;
  std::int64_t position_ = 0;
};

}  // namespace gpuinfer::selftest
