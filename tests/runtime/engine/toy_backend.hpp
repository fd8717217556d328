// A model without weights for the tests of the engine: its logits are a hash of all tokens that the pages hold, so that
// a wrong page, a wrong position or a forgotten token changes the answer.
#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/engine/sampling.hpp"

namespace gpuinfer::engine {

class ToyBackend : public backend::Backend {
 public:
  struct Options {
    std::int64_t vocab_size = 50;
    std::int64_t max_position_embeddings = 512;
    std::int64_t kv_pages = 64;
    /// Runs before each step.
    std::function<void(std::span<const backend::Slice>)> before_forward = {};
  };

  explicit ToyBackend(Options options)
      : options_(std::move(options)), cache_(static_cast<std::size_t>(options_.kv_pages * backend::kPageTokens), -1) {}

  std::string description() const override { return "toy"; }
  std::int64_t vocab_size() const override { return options_.vocab_size; }
  std::int64_t max_position_embeddings() const override { return options_.max_position_embeddings; }
  std::int64_t kv_pages() const override { return options_.kv_pages; }

  void forward(std::span<const backend::Slice> batch, std::span<float> logits) override {
    if (options_.before_forward) options_.before_forward(batch);
    require_own_pages(batch);
    for (const backend::Slice& slice : batch) {
      for (std::size_t i = 0; i < slice.tokens.size(); ++i) {
        at(slice, slice.position + static_cast<std::int64_t>(i)) = slice.tokens[i];
      }
      if (slice.logits == backend::Logits::kNone) continue;
      write_logits(slice, logits.first(static_cast<std::size_t>(vocab_size())));
      logits = logits.subspan(static_cast<std::size_t>(vocab_size()));
    }
    if (!logits.empty()) throw std::logic_error("more rows of logits than wanted tokens");
  }

 private:
  TokenId& at(const backend::Slice& slice, std::int64_t position) {
    const std::int32_t page = slice.pages[static_cast<std::size_t>(position / backend::kPageTokens)];
    return cache_.at(static_cast<std::size_t>(page * backend::kPageTokens + position % backend::kPageTokens));
  }

  void write_logits(const backend::Slice& slice, std::span<float> row) {
    std::uint64_t hash = 14695981039346656037U;  // FNV-1a
    for (std::int64_t p = 0; p < slice.position + std::ssize(slice.tokens); ++p) {
      hash = (hash ^ static_cast<std::uint64_t>(at(slice, p))) * 1099511628211U;
    }
    RandomStream random(hash);
    for (float& logit : row) logit = static_cast<float>(8 * random.uniform());
  }

  static void require_own_pages(std::span<const backend::Slice> batch) {
    std::set<std::int32_t> seen;
    for (const backend::Slice& slice : batch) {
      if (std::ssize(slice.pages) * backend::kPageTokens < slice.position + std::ssize(slice.tokens)) {
        throw std::logic_error("the page table is too short");
      }
      for (const std::int32_t page : slice.pages) {
        if (!seen.insert(page).second) throw std::logic_error("two sequences share a page");
      }
    }
  }

  Options options_;
  std::vector<TokenId> cache_;
};

}  // namespace gpuinfer::engine
