// Bounds of a batch.
#include "runtime/backend/check_batch.hpp"

#include <algorithm>
#include <stdexcept>

namespace gpuinfer::backend {
namespace {

void require(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(std::string("batch: ") + what);
}

bool outside(std::int64_t value, std::int64_t limit) { return value < 0 || value >= limit; }

/// The pages that the slice's tokens read and write, in the layers of `group`.
void check_page_table(PageTable table, const KvGroup& group, std::int64_t position, std::int64_t end) {
  require(end <= std::ssize(table) * kPageTokens, "a page table is too short for its slice");
  const std::int64_t first = group.sliding_window ? std::max<std::int64_t>(0, position + 1 - *group.sliding_window) : 0;
  for (std::int64_t p = first / kPageTokens; p * kPageTokens < end; ++p) {
    require(!outside(table[static_cast<std::size_t>(p)], group.pages), "a page is outside the cache");
  }
}

void check_sampling(const Backend& backend, const TokenSampling& sampling) {
  require(backend.samples(), "the backend does not sample");
  require(sampling.generated_vocab_size > 0 && sampling.generated_vocab_size <= backend.vocab_size(),
          "more tokens may come than there are, or none");
  require(sampling.allowed.empty() || std::ssize(sampling.allowed) == mask_words(backend.vocab_size()),
          "a mask has another size than the vocabulary");
}

void check_slice(const Backend& backend, const Slice& slice) {
  const auto count = static_cast<std::int64_t>(slice.tokens.size());
  require(count > 0, "a slice has no tokens");
  require(!outside(slice.position, backend.max_position_embeddings()), "a position is outside the model's range");
  require(slice.position + count <= backend.max_position_embeddings(), "a slice ends outside the model's range");
  require(std::ranges::none_of(slice.tokens, [&](TokenId id) { return outside(id, backend.vocab_size()); }),
          "a token id is outside the vocabulary");
  const std::vector<KvGroup>& groups = backend.kv_groups();
  require(slice.page_tables.size() >= groups.size(), "a KV group has no page table");
  for (std::size_t g = 0; g < groups.size(); ++g) {
    check_page_table(slice.page_tables[g], groups[g], slice.position, slice.position + count);
  }
  if (slice.sampling != nullptr) check_sampling(backend, *slice.sampling);
  if (slice.follows) require(backend.runs_ahead() && count == 1, "a slice has a token that nobody knows");
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

std::size_t count_hidden_rows(std::span<const Slice> batch) {
  std::size_t rows = 0;
  for (const Slice& slice : batch) rows += slice.hidden ? slice.tokens.size() : 0;
  return rows;
}

std::size_t count_sampled(std::span<const Slice> batch) {
  return static_cast<std::size_t>(
      std::ranges::count_if(batch, [](const Slice& slice) { return slice.sampling != nullptr; }));
}

void check_batch(const Backend& backend, std::span<const Slice> batch, std::span<const float> logits,
                 std::span<const float> hidden, std::span<const SampledToken> sampled) {
  for (const Slice& slice : batch) check_slice(backend, slice);
  require(logits.size() == count_logits_rows(batch) * static_cast<std::size_t>(backend.vocab_size()),
          "the space for logits has another size than the batch wants");
  require(hidden.size() == count_hidden_rows(batch) * static_cast<std::size_t>(backend.hidden_size()),
          "the space for hidden states has another size than the batch wants");
  require(sampled.size() == count_sampled(batch), "the space for tokens has another size than the batch wants");
}

}  // namespace gpuinfer::backend
