#include "runtime/backend/cuda/token_sampler.hpp"

#include <algorithm>
#include <limits>

namespace gpuinfer::backend::cuda {
namespace {

/// Without what its spans become.
SampledRow sampled_row(const TokenSampling& sampling, std::int64_t row) {
  constexpr std::int64_t kMostTopK = std::numeric_limits<std::int32_t>::max();
  return {.number = sampling.number,
          .temperature = sampling.temperature,
          .min_p = sampling.min_p,
          .top_p = sampling.top_p,
          .top_k = static_cast<std::int32_t>(std::clamp<std::int64_t>(sampling.top_k, 0, kMostTopK)),
          .repetition_penalty = sampling.repetition_penalty,
          .presence_penalty = sampling.presence_penalty,
          .frequency_penalty = sampling.frequency_penalty,
          .generated_vocab_size = static_cast<std::int32_t>(sampling.generated_vocab_size),
          .row = static_cast<std::int32_t>(row % kLogitsRows),
          .logprob = sampling.logprob};
}

}  // namespace

void TokenSampler::begin(std::span<const LogitsRow> rows, Queue& queue) {
  std::vector<SampledRow> sampled;
  std::vector<LogitEdit> edits;
  std::vector<std::uint32_t> allowed;
  asking_.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const TokenSampling* const sampling = rows[i].sampling;
    if (sampling == nullptr) continue;
    const auto row = static_cast<std::int64_t>(i);
    asking_.push_back(row);
    SampledRow& one = sampled.emplace_back(sampled_row(*sampling, row));
    one.first_edit = static_cast<std::int32_t>(edits.size());
    one.edits = static_cast<std::int32_t>(sampling->edits.size());
    edits.insert(edits.end(), sampling->edits.begin(), sampling->edits.end());
    if (!sampling->allowed.empty()) one.allowed = std::ssize(allowed);
    allowed.insert(allowed.end(), sampling->allowed.begin(), sampling->allowed.end());
  }
  turn_ = 1 - turn_;
  inputs_.clear();
  rows_ = inputs_.add<SampledRow>(sampled);
  edits_ = inputs_.add<LogitEdit>(edits);
  allowed_ = inputs_.add<std::uint32_t>(allowed);
  if (edits.size() > unedited_.size()) {
    queue.wait();  // The last step may still use what is there.
    unedited_ = DeviceArray<float>(2 * edits.size());
  }
  inputs_.upload(queue);
}

void TokenSampler::sample(std::int64_t begin, std::int64_t vocab, const Workspace& work, Queue& queue) {
  const auto first = std::ranges::lower_bound(asking_, begin);
  const auto end = std::ranges::lower_bound(asking_, begin + kLogitsRows);
  if (first == end) return;
  const auto done = first - asking_.begin();
  cuda::sample({.logits = work.logits.data(),
                .rows = inputs_.address(rows_) + done,
                .edits = inputs_.address(edits_),
                .unedited = unedited_.data(),
                .allowed = inputs_.address(allowed_),
                .tokens = work.sampled.data() + done,
                .row_count = end - first,
                .vocab = vocab},
               queue.stream());
}

void TokenSampler::download(const Workspace& work, Queue& queue) {
  if (asking_.empty()) return;
  queue.download(std::as_writable_bytes(tokens_[turn_].span().first(asking_.size())), work.sampled.data());
}

}  // namespace gpuinfer::backend::cuda
