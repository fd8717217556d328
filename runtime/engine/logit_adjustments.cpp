#include "runtime/engine/logit_adjustments.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

namespace gpuinfer::engine {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

/// nullptr for an id that the model has no logit for.
float* logit_of(std::span<float> logits, TokenId token) {
  const auto index = static_cast<std::size_t>(token);
  return token >= 0 && index < logits.size() ? &logits[index] : nullptr;
}

void forbid(std::span<float> logits, TokenId token) {
  if (float* const logit = logit_of(logits, token)) *logit = kForbidden;
}

void penalize_repetition(std::span<float> logits, float penalty, const History& history) {
  std::unordered_set<TokenId> seen(history.prompt.begin(), history.prompt.end());
  seen.insert(history.generated.begin(), history.generated.end());
  for (const TokenId token : seen) {
    if (float* const logit = logit_of(logits, token)) *logit = *logit > 0 ? *logit / penalty : *logit * penalty;
  }
}

void penalize_presence(std::span<float> logits, const LogitAdjustments& adjustments, const History& history) {
  std::unordered_map<TokenId, int> counts;
  for (const TokenId token : history.generated) ++counts[token];
  for (const auto& [token, count] : counts) {
    float* const logit = logit_of(logits, token);
    if (!logit) continue;
    *logit -= adjustments.presence_penalty + static_cast<float>(count) * adjustments.frequency_penalty;
  }
}

void keep_only(std::span<float> logits, const std::vector<TokenId>& allowed) {
  std::vector<std::pair<float*, float>> kept;
  for (const TokenId token : allowed) {
    if (float* const logit = logit_of(logits, token)) kept.emplace_back(logit, *logit);
  }
  std::ranges::fill(logits, kForbidden);
  for (const auto& [logit, value] : kept) *logit = value;
}

/// Forbids the last token of a word whose other tokens the answer ends with.
void forbid_word(std::span<float> logits, const std::vector<TokenId>& word, std::span<const TokenId> generated) {
  const std::size_t begun = word.size() - 1;
  if (begun <= generated.size() && std::equal(word.begin(), word.end() - 1, generated.last(begun).begin())) {
    forbid(logits, word.back());
  }
}

}  // namespace

bool LogitAdjustments::any(std::int64_t generated) const {
  return !logit_bias.empty() || repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0 ||
         !allowed_tokens.empty() || !bad_words.empty() || generated < min_tokens;
}

void adjust(std::span<float> logits, const LogitAdjustments& adjustments, const History& history) {
  for (const auto& [token, bias] : adjustments.logit_bias) {
    if (float* const logit = logit_of(logits, token)) *logit += bias;
  }
  if (adjustments.repetition_penalty != 1) penalize_repetition(logits, adjustments.repetition_penalty, history);
  if (adjustments.presence_penalty != 0 || adjustments.frequency_penalty != 0) {
    penalize_presence(logits, adjustments, history);
  }
  if (!adjustments.allowed_tokens.empty()) keep_only(logits, adjustments.allowed_tokens);
  for (const std::vector<TokenId>& word : adjustments.bad_words) forbid_word(logits, word, history.generated);
  if (std::ssize(history.generated) < adjustments.min_tokens) {
    for (const TokenId token : history.stop_tokens) forbid(logits, token);
  }
}

}  // namespace gpuinfer::engine
