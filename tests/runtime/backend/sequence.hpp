// One sequence run on a backend, cut into slices as a test likes.
#pragma once

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "runtime/backend/backend.hpp"

namespace gpuinfer::backend {

/// Keeps the page table and the position of one sequence.
class Sequence {
 public:
  /// Uses the pages first_page, first_page + 2, first_page + 4 ...: neighbours in the sequence are not neighbours in
  /// the cache.
  explicit Sequence(std::int64_t pages, std::int32_t first_page = 0) {
    for (std::int64_t i = 0; i < pages; ++i) pages_.push_back(first_page + static_cast<std::int32_t>(2 * i));
    tables_.assign(kMostGroups, pages_);
  }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  /// The next `tokens` of the sequence as a slice of a batch.
  Slice next(std::span<const TokenId> tokens, Logits logits) {
    const Slice slice{tokens, position_, tables_, logits};
    position_ += static_cast<std::int64_t>(tokens.size());
    return slice;
  }

  /// Runs `tokens` alone, `chunk` at a time; the logits of all of them.
  std::vector<float> run(Backend& backend, std::span<const TokenId> tokens, std::size_t chunk) {
    std::vector<float> logits(tokens.size() * static_cast<std::size_t>(backend.vocab_size()));
    for (std::size_t begin = 0; begin < tokens.size(); begin += chunk) {
      const auto part = tokens.subspan(begin, std::min(chunk, tokens.size() - begin));
      const auto row = static_cast<std::size_t>(backend.vocab_size());
      const Slice slice = next(part, Logits::kAll);
      backend.forward(std::span(&slice, 1), std::span(logits).subspan(begin * row, part.size() * row), {});
    }
    return logits;
  }

 private:
  static constexpr std::size_t kMostGroups = 2;

  std::vector<std::int32_t> pages_;
  std::vector<PageTable> tables_;  ///< the same pages for every KV group
  std::int64_t position_ = 0;
};

}  // namespace gpuinfer::backend
