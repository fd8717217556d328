#include "runtime/engine/logit_adjustments.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace gpuinfer::engine {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

/// nullptr for an id that the model has no logit for.
float* logit_of(std::span<float> logits, TokenId token) {
  const auto index = static_cast<std::size_t>(token);
  return token >= 0 && index < logits.size() ? &logits[index] : nullptr;
}

float edited(float logit, const backend::LogitEdit& edit, const LogitAdjustments& adjustments) {
  if (edit.forbidden) return kForbidden;
  logit += edit.bias;
  if (edit.seen) {
    logit = logit > 0 ? logit / adjustments.repetition_penalty : logit * adjustments.repetition_penalty;
  }
  if (edit.answered > 0) {
    logit -= adjustments.presence_penalty + static_cast<float>(edit.answered) * adjustments.frequency_penalty;
  }
  return logit;
}

void keep_only(std::span<float> logits, const std::vector<TokenId>& allowed) {
  std::vector<std::pair<float*, float>> kept;
  for (const TokenId token : allowed) {
    if (float* const logit = logit_of(logits, token)) kept.emplace_back(logit, *logit);
  }
  std::ranges::fill(logits, kForbidden);
  for (const auto& [logit, value] : kept) *logit = value;
}

/// Whether the answer ends with all tokens of a word but the last.
bool begins_word(std::span<const TokenId> generated, const std::vector<TokenId>& word) {
  const std::size_t begun = word.size() - 1;
  return begun <= generated.size() && std::equal(word.begin(), word.end() - 1, generated.last(begun).begin());
}

}  // namespace

bool LogitAdjustments::any(std::int64_t generated) const {
  return !logit_bias.empty() || !allowed_tokens.empty() || generated < min_tokens || look_back();
}

bool LogitAdjustments::look_back() const {
  return repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0 || !bad_words.empty();
}

std::vector<backend::LogitEdit> edits_of(const LogitAdjustments& adjustments, const History& history) {
  std::unordered_map<TokenId, backend::LogitEdit> edits;
  for (const auto& [token, bias] : adjustments.logit_bias) edits[token].bias += bias;
  if (adjustments.repetition_penalty != 1) {
    for (const TokenId token : history.prompt) edits[token].seen = true;
    for (const TokenId token : history.generated) edits[token].seen = true;
  }
  if (adjustments.presence_penalty != 0 || adjustments.frequency_penalty != 0) {
    for (const TokenId token : history.generated) ++edits[token].answered;
  }
  for (const std::vector<TokenId>& word : adjustments.bad_words) {
    if (begins_word(history.generated, word)) edits[word.back()].forbidden = true;
  }
  if (std::ssize(history.generated) + history.promised < adjustments.min_tokens) {
    for (const TokenId token : history.stop_tokens) edits[token].forbidden = true;
  }
  std::vector<backend::LogitEdit> result;
  result.reserve(edits.size());
  for (auto& [token, edit] : edits) {
    edit.token = token;
    result.push_back(edit);
  }
  return result;
}

std::vector<std::uint32_t> allowed_mask(const LogitAdjustments& adjustments, std::int64_t vocab_size) {
  std::vector<std::uint32_t> mask;
  if (adjustments.allowed_tokens.empty()) return mask;
  mask.resize(static_cast<std::size_t>(backend::mask_words(vocab_size)));
  for (const TokenId token : adjustments.allowed_tokens) {
    if (token >= 0 && token < vocab_size) mask[static_cast<std::size_t>(token / 32)] |= 1U << token % 32;
  }
  return mask;
}

void adjust(std::span<float> logits, const LogitAdjustments& adjustments, const History& history) {
  for (const backend::LogitEdit& edit : edits_of(adjustments, history)) {
    if (float* const logit = logit_of(logits, edit.token)) *logit = edited(*logit, edit, adjustments);
  }
  if (!adjustments.allowed_tokens.empty()) keep_only(logits, adjustments.allowed_tokens);
}

}  // namespace gpuinfer::engine
