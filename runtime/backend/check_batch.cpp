// Bounds of a batch.
#include "runtime/backend/check_batch.hpp"

#include <algorithm>
#include <stdexcept>

namespace gpuinfer::backend {
namespace {

void require(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(std::string("batch: ") + what);
}

void check_slice(const Backend& backend, const Slice& slice) {
  const auto outside = [](std::int64_t value, std::int64_t limit) { return value < 0 || value >= limit; };
  const auto count = static_cast<std::int64_t>(slice.tokens.size());
  require(count > 0, "a slice has no tokens");
  require(!outside(slice.position, backend.max_position_embeddings()), "a position is outside the model's range");
  require(slice.position + count <= backend.max_position_embeddings(), "a slice ends outside the model's range");
  require(slice.position + count <= static_cast<std::int64_t>(slice.pages.size()) * kPageTokens,
          "a page table is too short for its slice");
  require(std::ranges::none_of(slice.tokens, [&](TokenId id) { return outside(id, backend.vocab_size()); }),
          "a token id is outside the vocabulary");
  require(std::ranges::none_of(slice.pages, [&](std::int32_t page) { return outside(page, backend.kv_pages()); }),
          "a page is outside the cache");
}

}  // namespace

std::size_t count_logits_rows(std::span<const Slice> batch) {
  std::size_t rows = 0;
  for (const Slice& slice : batch) {
    if (slice.logits == Logits::kLast) rows += 1;
    if (slice.logits == Logits::kAll) rows += slice.tokens.size();
  }
  return rows;
}

void check_batch(const Backend& backend, std::span<const Slice> batch, std::span<const float> logits) {
  for (const Slice& slice : batch) check_slice(backend, slice);
  require(logits.size() == count_logits_rows(batch) * static_cast<std::size_t>(backend.vocab_size()),
          "the space for logits has another size than the batch wants");
}

}  // namespace gpuinfer::backend
