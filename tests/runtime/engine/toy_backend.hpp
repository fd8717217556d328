// A model without weights for the tests of the engine: its logits are a hash of all tokens that the pages hold, so that
// a wrong page, a wrong position or a forgotten token changes the answer.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <stdexcept>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/engine/random.hpp"

namespace gpuinfer::engine {

class ToyBackend : public backend::Backend {
 public:
  static constexpr std::int64_t kHidden = 3;

  struct Options {
    std::int64_t vocab_size = 50;
    std::int64_t max_position_embeddings = 512;
    std::vector<backend::KvGroup> kv_groups = {{.pages = 64}};
    float largest_logit = 8;
    /// Runs before each step.
    std::function<void(std::span<const backend::Slice>)> before_forward = {};
  };

  explicit ToyBackend(Options options) : options_(std::move(options)) {
    for (const backend::KvGroup& group : options_.kv_groups) {
      caches_.emplace_back(static_cast<std::size_t>(group.pages * backend::kPageTokens), -1);
    }
  }

  std::string description() const override { return "toy"; }
  std::int64_t vocab_size() const override { return options_.vocab_size; }
  std::int64_t hidden_size() const override { return kHidden; }
  std::int64_t max_position_embeddings() const override { return options_.max_position_embeddings; }
  const std::vector<backend::KvGroup>& kv_groups() const override { return options_.kv_groups; }

  void forward(std::span<const backend::Slice> batch, std::span<float> logits, std::span<float> hidden) override {
    if (options_.before_forward) options_.before_forward(batch);
    require_written_pages_are_own(batch);
    for (const backend::Slice& slice : batch) {
      for (std::size_t i = 0; i < slice.tokens.size(); ++i) {
        const std::int64_t position = slice.position + static_cast<std::int64_t>(i);
        for (std::size_t g = 0; g < caches_.size(); ++g) at(g, slice, position) = slice.tokens[i];
        const bool last = i + 1 == slice.tokens.size();
        if (slice.logits == backend::Logits::kAll || (slice.logits == backend::Logits::kLast && last)) {
          write_row(logits, vocab_size(), hash_of(slice, position));
        }
        if (slice.hidden) write_row(hidden, kHidden, hash_of(slice, position));
      }
    }
    if (!logits.empty() || !hidden.empty()) throw std::logic_error("more rows than wanted tokens");
  }

 private:
  TokenId& at(std::size_t group, const backend::Slice& slice, std::int64_t position) {
    const std::int32_t page = slice.page_tables[group][static_cast<std::size_t>(position / backend::kPageTokens)];
    return caches_[group].at(static_cast<std::size_t>(page * backend::kPageTokens + position % backend::kPageTokens));
  }

  /// Of all that the token at `position` sees.
  std::uint64_t hash_of(const backend::Slice& slice, std::int64_t position) {
    std::uint64_t hash = 14695981039346656037U;  // FNV-1a
    for (std::size_t g = 0; g < caches_.size(); ++g) {
      const std::int64_t window = options_.kv_groups[g].sliding_window.value_or(position + 1);
      for (std::int64_t p = std::max<std::int64_t>(0, position + 1 - window); p <= position; ++p) {
        hash = (hash ^ static_cast<std::uint64_t>(at(g, slice, p))) * 1099511628211U;
      }
    }
    return hash;
  }

  /// Fills the next row, and goes on to the one behind it.
  void write_row(std::span<float>& rows, std::int64_t columns, std::uint64_t hash) const {
    for (std::int64_t i = 0; i < columns; ++i) {
      rows[static_cast<std::size_t>(i)] =
          options_.largest_logit * static_cast<float>(uniform(hash, static_cast<std::uint64_t>(i)));
    }
    rows = rows.subspan(static_cast<std::size_t>(columns));
  }

  /// A page may be shared, but not while somebody writes to it.
  void require_written_pages_are_own(std::span<const backend::Slice> batch) const {
    for (std::size_t g = 0; g < caches_.size(); ++g) {
      std::map<std::int32_t, int> holders;
      for (const backend::Slice& slice : batch) {
        for (const std::int32_t page : slice.page_tables[g]) ++holders[page];
      }
      for (const backend::Slice& slice : batch) {
        const std::int64_t end = slice.position + std::ssize(slice.tokens);
        for (std::int64_t p = slice.position / backend::kPageTokens; p * backend::kPageTokens < end; ++p) {
          const std::int32_t page = slice.page_tables[g][static_cast<std::size_t>(p)];
          if (holders[page] != 1) throw std::logic_error("two sequences share a page that is written");
        }
      }
    }
  }

  Options options_;
  std::vector<std::vector<TokenId>> caches_;  ///< of each group: [pages, kPageTokens]
};

}  // namespace gpuinfer::engine
