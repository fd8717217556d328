// A model without weights for the tests of the engine: its logits are a hash of all tokens that the pages hold, so that
// a wrong page, a wrong position or a forgotten token changes the answer.
#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <map>
#include <stdexcept>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/engine/logprobs.hpp"
#include "runtime/engine/random.hpp"
#include "runtime/engine/sampling.hpp"

namespace gpuinfer::engine {

class ToyBackend : public backend::Backend {
 public:
  static constexpr std::int64_t kHidden = 3;

  struct Options {
    std::int64_t vocab_size = 50;
    std::int64_t max_position_embeddings = 512;
    std::vector<backend::KvGroup> kv_groups = {{.pages = 64}};
    float largest_logit = 8;
    /// Whether it samples.
    bool samples = false;
    /// Whether it does as if it computed after begin(), and samples.
    bool runs_ahead = false;
    /// Runs before each step, with all of its tokens known.
    std::function<void(std::span<const backend::Slice>)> before_forward = {};
    /// Runs before each finish().
    std::function<void()> before_finish = {};
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

  bool samples() const override { return options_.samples || options_.runs_ahead; }
  bool runs_ahead() const override { return options_.runs_ahead; }

  /// Where it runs ahead, all is computed here, in the order in which it is begun, and nobody sees it yet.
  void begin(std::span<const backend::Slice> batch, std::span<float> logits, std::span<float> hidden,
             std::span<backend::SampledToken> sampled) override {
    if (!options_.runs_ahead) return forward(batch, logits, hidden, sampled);
    if (underway_.size() == 2) throw std::logic_error("a third step is begun");
    Underway step{.logits = {std::vector<float>(logits.size()), logits},
                  .hidden = {std::vector<float>(hidden.size()), hidden},
                  .sampled = {std::vector<backend::SampledToken>(sampled.size()), sampled}};
    try {
      std::vector<TokenId> tokens(batch.size());
      forward(with_known_tokens(batch, tokens), step.logits.result, step.hidden.result, step.sampled.result);
    } catch (...) {
      lose_all();
      throw;
    }
    underway_.push_back(std::move(step));
  }

  void finish() override {
    if (!options_.runs_ahead) return;
    if (underway_.empty()) throw std::logic_error("no step is under way");
    try {
      if (options_.before_finish) options_.before_finish();
    } catch (...) {
      lose_all();
      throw;
    }
    underway_.front().give();
    underway_.pop_front();
  }

  void forward(std::span<const backend::Slice> batch, std::span<float> logits, std::span<float> hidden,
               std::span<backend::SampledToken> sampled) override {
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
        if (slice.sampling != nullptr && last) {
          std::vector<float> row(static_cast<std::size_t>(vocab_size()));
          std::span<float> room = row;
          write_row(room, vocab_size(), hash_of(slice, position));
          sampled.front() = sample(std::move(row), *slice.sampling);
          sampled = sampled.subspan(1);
        }
      }
    }
    if (!logits.empty() || !hidden.empty() || !sampled.empty()) throw std::logic_error("more room than is wanted");
  }

 private:
  template <typename T>
  struct Output {
    std::vector<T> result;
    std::span<T> wanted;
  };

  struct Underway {
    Output<float> logits;
    Output<float> hidden;
    Output<backend::SampledToken> sampled;

    void give() const {
      std::ranges::copy(logits.result, logits.wanted.begin());
      std::ranges::copy(hidden.result, hidden.wanted.begin());
      std::ranges::copy(sampled.result, sampled.wanted.begin());
    }
  };

  /// `tokens` has room for one of each slice.
  std::vector<backend::Slice> with_known_tokens(std::span<const backend::Slice> batch,
                                                std::vector<TokenId>& tokens) const {
    std::vector<backend::Slice> known(batch.begin(), batch.end());
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (!known[i].follows) continue;
      if (known[i].tokens.size() != 1) throw std::logic_error("more than the token that follows");
      tokens[i] = std::max(0, underway_.back().sampled.result.at(*known[i].follows).id);
      known[i].tokens = {&tokens[i], 1};
    }
    return known;
  }

  /// Nothing may be relied upon then, so the pages have something else.
  void lose_all() {
    underway_.clear();
    for (std::vector<TokenId>& cache : caches_) std::ranges::fill(cache, -1);
  }

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

  /// As token_sampling.hpp says it, one after the other.
  static backend::SampledToken sample(std::vector<float> row, const backend::TokenSampling& how) {
    const auto is_finite = [](const std::vector<float>& logits) {
      return std::isfinite(logits[static_cast<std::size_t>(most_likely(logits))]);
    };
    if (!is_finite(row)) return {.id = backend::SampledToken::kNotFinite};
    const std::vector<float> unedited = row;
    for (const backend::LogitEdit& edit : how.edits) {
      if (edit.token < 0 || edit.token >= std::ssize(row)) continue;
      float& logit = row[static_cast<std::size_t>(edit.token)];
      logit += edit.bias;
      if (edit.seen) logit = logit > 0 ? logit / how.repetition_penalty : logit * how.repetition_penalty;
      if (edit.answered > 0) logit -= how.presence_penalty + static_cast<float>(edit.answered) * how.frequency_penalty;
      if (edit.forbidden) logit = -INFINITY;
    }
    for (std::size_t token = 0; token < row.size() && !how.allowed.empty(); ++token) {
      if ((how.allowed[token / 32] >> token % 32 & 1U) == 0) row[token] = -INFINITY;
    }
    row.resize(static_cast<std::size_t>(how.generated_vocab_size));
    if (!is_finite(row)) return {.id = backend::SampledToken::kNoneAllowed};
    backend::SampledToken sampled{
        .id = Sampler().choose(
            row, {.temperature = how.temperature, .min_p = how.min_p, .top_k = how.top_k, .top_p = how.top_p},
            how.number)};
    if (how.logprob) sampled.logprob = logprobs_of(unedited, sampled.id, 0).token.logprob;
    return sampled;
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
  std::deque<Underway> underway_;
};

}  // namespace gpuinfer::engine
