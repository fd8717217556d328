// The next tokens of a step: what the rows of logits ask for goes to the GPU, and the tokens come back.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/backend/cuda/device.hpp"
#include "runtime/backend/cuda/sampling.hpp"
#include "runtime/backend/cuda/step.hpp"
#include "runtime/backend/cuda/step_inputs.hpp"
#include "runtime/backend/cuda/workspace.hpp"

namespace gpuinfer::backend::cuda {

class TokenSampler {
 public:
  TokenSampler() : tokens_{PinnedArray<SampledToken>(kStepTokens), PinnedArray<SampledToken>(kStepTokens)} {}

  /// Begins a step, after the one before the last has been waited for. Throws OutOfDeviceMemory where more is asked for
  /// than ever before, and the GPU has no room for it.
  void begin(std::span<const LogitsRow> rows, Queue& queue);

  /// For the step's rows [begin, begin + kLogitsRows), whose logits `work` has now; `begin` is a multiple of
  /// kLogitsRows.
  void sample(std::int64_t begin, std::int64_t vocab, const Workspace& work, Queue& queue);

  /// After sample() for all rows: brings the tokens.
  void download(const Workspace& work, Queue& queue);

  /// In the order of the rows that asked: they are there when download() has been waited for, and until the step after
  /// the next one begins.
  std::span<const SampledToken> tokens() const { return tokens_[turn_].span().first(asking_.size()); }

 private:
  std::vector<std::int64_t> asking_;  ///< the rows that ask for a token
  StepInputs inputs_;
  StepInputs::Place<SampledRow> rows_;
  StepInputs::Place<LogitEdit> edits_;
  StepInputs::Place<std::uint32_t> allowed_;
  DeviceArray<float> unedited_;
  PinnedArray<SampledToken> tokens_[2];  ///< of two steps in a row
  std::size_t turn_ = 0;
};

}  // namespace gpuinfer::backend::cuda
