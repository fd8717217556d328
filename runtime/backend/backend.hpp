// The seam between who runs (engine/) and how one step is computed: a batch of token slices over a paged KV cache.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/backend/token_sampling.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::backend {

/// Tokens that one page of the KV cache holds.
inline constexpr std::int64_t kPageTokens = 16;

/// Pages that hold `tokens` tokens.
constexpr std::int64_t pages_for(std::int64_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

/// In a page table: no query will read this part of the sequence any more, so it has no page.
inline constexpr std::int32_t kNoPage = -1;

/// Layers whose keys and values share pages: those that see every position, or those with the same sliding window.
struct KvGroup {
  /// Positions that a query of these layers sees, its own included; nothing: all of them.
  std::optional<std::int64_t> sliding_window = {};
  /// Pages in the cache of these layers; their numbers are 0 .. pages-1.
  std::int64_t pages = 0;

  bool operator==(const KvGroup&) const = default;
};

/// Position p of a sequence lives in page table[p / kPageTokens].
using PageTable = std::span<const std::int32_t>;

/// For which tokens of a slice the logits are wanted.
enum class Logits { kNone, kLast, kAll };

/// The next tokens of one sequence: its whole prompt, a chunk of it, or the single token sampled last.
struct Slice {
  std::span<const TokenId> tokens;
  /// Position of tokens[0] in its sequence. Keys and values of all earlier positions are in the cache already.
  std::int64_t position = 0;
  /// The sequence's page table for each KV group of the backend. Each covers position + tokens.size(); what lies before
  /// the window of tokens[0] may be kNoPage.
  std::span<const PageTable> page_tables;
  Logits logits = Logits::kLast;
  /// Whether the hidden states of all tokens are wanted, after the last norm.
  bool hidden = false;
  /// How the token after the slice is chosen; null: it is not. Only for a backend that samples. Has nothing to do with
  /// `logits`, which need not leave the backend for it.
  const TokenSampling* sampling = nullptr;
  /// The slice's only token is the one that the step before chooses at this place among those that it is asked for;
  /// what `tokens` has in its place is not looked at. Only for a backend that runs ahead, while that step is under way.
  std::optional<std::size_t> follows = {};
};

/// Computes steps of one model. One thread at a time may use it. Results are batch-invariant: what a slice gets is the
/// same bits whatever else is in the batch and however its sequence was cut into slices.
class Backend {
 public:
  virtual ~Backend() = default;
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  /// "reference", "cpu (AVX2, 2 threads)": for logs.
  virtual std::string description() const = 0;

  virtual std::int64_t vocab_size() const = 0;
  virtual std::int64_t hidden_size() const = 0;
  /// The longest sequence that the model was made for.
  virtual std::int64_t max_position_embeddings() const = 0;
  /// At least one; the one without a window comes first where there is one.
  virtual const std::vector<KvGroup>& kv_groups() const = 0;

  /// Whether slices may ask for their next token: where logits are far from the host, as a GPU's are.
  virtual bool samples() const { return false; }

  /// Runs the slices. Writes float32 rows in the order of the batch: to `logits` one of vocab_size() for each token
  /// whose logits are wanted, to `hidden` one of hidden_size() for each token of the slices that want these; and to
  /// `sampled` a token for each slice that asks for it. All have exactly that size.
  virtual void forward(std::span<const Slice> batch, std::span<float> logits, std::span<float> hidden,
                       std::span<SampledToken> sampled = {}) = 0;

  /// Whether begin() returns while the step is computed, so that the host can prepare and begin the next one meanwhile.
  /// Such a backend samples.
  virtual bool runs_ahead() const { return false; }

  /// forward() in two halves. A step is under way from begin() to its finish(): one, or two where the backend runs
  /// ahead. They are computed one after the other, so a step finds in the pages what those begun before it write.
  /// The outputs may be written until finish() returns, the rest is not needed after begin(). Where either throws, no
  /// step is under way any more.
  virtual void begin(std::span<const Slice> batch, std::span<float> logits, std::span<float> hidden,
                     std::span<SampledToken> sampled) {
    forward(batch, logits, hidden, sampled);
  }
  /// Ends the step that was begun first: its results are there.
  virtual void finish() {}
};

}  // namespace gpuinfer::backend
