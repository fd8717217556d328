// What a client may ask of /v1/chat/completions and /v1/completions, checked.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "runtime/engine/logit_adjustments.hpp"
#include "runtime/engine/sampling.hpp"
#include "runtime/server/chat_messages.hpp"
#include "runtime/server/prompts.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::server {

/// What both endpoints share.
struct CompletionParams {
  /// Answers to each prompt.
  std::int64_t n = 1;
  std::optional<std::int64_t> max_tokens = {};
  engine::SamplingParams sampling = {};
  /// All but the bad words, which have to become tokens first.
  engine::LogitAdjustments adjustments = {};
  std::vector<std::string> bad_words = {};
  std::vector<std::string> stop = {};
  std::vector<TokenId> stop_token_ids = {};
  bool ignore_eos = false;
  bool skip_special_tokens = true;
  /// Whether a prompt that is text begins with BOS.
  bool add_special_tokens = true;
  /// Only so many last tokens of the prompt count; −1: as many as fit.
  std::optional<std::int64_t> truncate_prompt_tokens = {};
  /// The logprobs of the answer's tokens are wanted, and of so many of the likeliest ones for each.
  std::optional<std::int64_t> logprobs = {};
  /// Likewise of the prompt's.
  std::optional<std::int64_t> prompt_logprobs = {};
  /// The answer begins with the prompt.
  bool echo = false;
  bool return_token_ids = false;
  std::int64_t priority = 0;
  std::string cache_salt = {};
  std::optional<std::chrono::milliseconds> timeout = {};
  bool stream = false;
  /// A last chunk of the stream with the usage.
  bool include_usage = false;
  /// The usage so far in each chunk.
  bool continuous_usage_stats = false;
};

struct ChatRequest {
  CompletionParams params;
  Chat chat;
};

struct CompletionRequest {
  CompletionParams params;
  std::vector<Prompt> prompts;
};

/// `defaults` is what the model's generation_config.json says; a missing seed is drawn at random. Unknown fields are
/// ignored. Known ones that would change the answer in a way we cannot deliver are refused. Throws ApiError (400)
/// naming the field.
ChatRequest parse_chat_request(const Json& body, const engine::SamplingParams& defaults);
CompletionRequest parse_completion_request(const Json& body, const engine::SamplingParams& defaults);

}  // namespace gpuinfer::server
