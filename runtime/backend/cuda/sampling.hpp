// The choice of the next tokens, so that logits need not leave the GPU.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/stream.hpp"
#include "runtime/backend/token_sampling.hpp"

namespace gpuinfer::backend::cuda {

/// A TokenSampling without its spans. The token is the engine's too, but where `number` falls within the last bits of a
/// sum on the border of two.
struct SampledRow {
  static constexpr std::int64_t kAllAllowed = -1;

  double number = 0;
  float temperature = 1;
  float min_p = 0;
  float top_p = 1;
  std::int32_t top_k = 0;
  float repetition_penalty = 1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  std::int32_t generated_vocab_size = 0;
  std::int32_t row = 0;  ///< of the logits; each has but one token
  std::int32_t first_edit = 0;
  std::int32_t edits = 0;
  bool logprob = false;
  std::int64_t allowed = kAllAllowed;  ///< where its mask begins in Sampling::allowed
};

/// tokens[r] = what rows[r] chooses from its row of logits.
struct Sampling {
  float* logits = nullptr;                 ///< [any number of rows, vocab]; afterwards what it was before
  const SampledRow* rows = nullptr;        ///< [rows]
  const LogitEdit* edits = nullptr;        ///< of all rows
  float* unedited = nullptr;               ///< room for a number for each edit
  const std::uint32_t* allowed = nullptr;  ///< masks of mask_words(vocab)
  SampledToken* tokens = nullptr;          ///< [rows]
  std::int64_t row_count = 0;
  std::int64_t vocab = 0;
};

void sample(const Sampling& step, Stream stream);

inline Cost cost(const Sampling& step) {
  return {.bytes = step.row_count * (step.vocab * 4 + std::int64_t{sizeof(SampledToken)}),
          .flops = step.row_count * step.vocab * 2};
}

}  // namespace gpuinfer::backend::cuda
