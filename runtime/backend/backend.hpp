// The seam between who runs (engine/) and how one step is computed: a batch of token slices over a paged KV cache.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "runtime/token.hpp"

namespace gpuinfer::backend {

/// Tokens that one page of the KV cache holds.
inline constexpr std::int64_t kPageTokens = 16;

/// For which tokens of a slice the logits are wanted.
enum class Logits { kNone, kLast, kAll };

/// The next tokens of one sequence: its whole prompt, a chunk of it, or the single token sampled last.
struct Slice {
  std::span<const TokenId> tokens;
  /// Position of tokens[0] in its sequence. Keys and values of all earlier positions are in the cache already.
  std::int64_t position = 0;
  /// The sequence's page table: position p lives in page pages[p / kPageTokens]. Covers position + tokens.size().
  std::span<const std::int32_t> pages;
  Logits logits = Logits::kLast;
};

/// Computes steps of one model. One thread at a time may call forward(). Results are batch-invariant: a slice's logits
/// are the same bits whatever else is in the batch and however its sequence was cut into slices.
class Backend {
 public:
  virtual ~Backend() = default;
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  /// "reference", "cpu (AVX2, 2 threads)": for logs.
  virtual std::string description() const = 0;

  virtual std::int64_t vocab_size() const = 0;
  /// The longest sequence that the model was made for.
  virtual std::int64_t max_position_embeddings() const = 0;
  /// Pages in the KV cache; their numbers are 0 .. kv_pages()-1.
  virtual std::int64_t kv_pages() const = 0;

  /// Runs the slices and writes their logits, float32, one row of vocab_size() per wanted token, in the order of the
  /// batch. `logits` has exactly that size.
  virtual void forward(std::span<const Slice> batch, std::span<float> logits) = 0;
};

}  // namespace gpuinfer::backend
