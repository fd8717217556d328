// The choice of the next tokens, so that logits need not leave the GPU.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/cost.hpp"
#include "runtime/backend/cuda/stream.hpp"

namespace gpuinfer::backend::cuda {

/// What a request changes in the logit of one token, in this order.
struct LogitEdit {
  std::int32_t token = 0;
  float bias = 0;             ///< is added
  bool seen = false;          ///< in the prompt or the answer: the repetition penalty divides or multiplies
  bool forbidden = false;     ///< at last: the logit is -∞
  std::int32_t answered = 0;  ///< how often it is in the answer: the other penalties are subtracted
};

/// How one row's token is chosen: temperature, min_p, top_k and top_p in this order, each with the meaning of
/// engine::SamplingParams; the penalties have that of engine::LogitAdjustments. The token is the engine's too, but
/// where `number` falls within the last bits of a sum on the border of two.
struct SampledRow {
  static constexpr std::int64_t kAllAllowed = -1;

  double number = 0;      ///< uniform in [0, 1): decides among what is left
  float temperature = 1;  ///< 0: the largest logit, the lowest id among equals
  float min_p = 0;
  float top_p = 1;
  std::int32_t top_k = 0;
  float repetition_penalty = 1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  std::int32_t first_edit = 0;
  std::int32_t edits = 0;              ///< each of another token
  std::int64_t allowed = kAllAllowed;  ///< where its mask begins in Sampling::allowed
};

/// tokens[r] = what rows[r] chooses from logits[r].
struct Sampling {
  float* logits = nullptr;                 ///< [rows, vocab]; afterwards what it was before
  const SampledRow* rows = nullptr;        ///< [rows]
  const LogitEdit* edits = nullptr;        ///< of all rows
  float* unedited = nullptr;               ///< room for a number for each edit
  const std::uint32_t* allowed = nullptr;  ///< masks of ⌈vocab / 32⌉ words, the lowest bit first
  std::int32_t* tokens = nullptr;          ///< [rows]
  float* logprobs = nullptr;               ///< [rows]: of the chosen tokens before all edits; null: not wanted
  std::int64_t row_count = 0;
  std::int64_t vocab = 0;
};

void sample(const Sampling& step, Stream stream);

inline Cost cost(const Sampling& step) {
  return {.bytes = step.row_count * (step.vocab * 4 + 4), .flops = step.row_count * step.vocab * 2};
}

}  // namespace gpuinfer::backend::cuda
