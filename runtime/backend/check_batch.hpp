// What every backend asks of a batch before it computes.
#pragma once

#include <span>

#include "runtime/backend/backend.hpp"

namespace gpuinfer::backend {

/// Tokens whose logits the batch wants.
std::size_t count_logits_rows(std::span<const Slice> batch);

/// Tokens whose hidden states the batch wants.
std::size_t count_hidden_rows(std::span<const Slice> batch);

/// Slices that ask for their next token.
std::size_t count_sampled(std::span<const Slice> batch);

/// Throws std::invalid_argument where a token id, a position or a page lies outside the model's or the cache's range,
/// a page table is missing or too short for its slice, a token is asked of a backend that does not sample or in a way
/// that does not fit its vocabulary, or an output has another size than the batch wants. The engine never sends such a
/// batch; this turns its bug into an exception instead of memory corruption.
void check_batch(const Backend& backend, std::span<const Slice> batch, std::span<const float> logits,
                 std::span<const float> hidden, std::span<const SampledToken> sampled);

}  // namespace gpuinfer::backend
