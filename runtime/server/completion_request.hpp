// What a client may ask of /v1/chat/completions and /v1/completions, checked.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.hpp"
#include "runtime/engine/sampling.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::server {

/// What both endpoints share.
struct CompletionParams {
  /// "" where the request names none.
  std::string model = {};
  std::optional<std::int64_t> max_tokens = {};
  engine::SamplingParams sampling = {};
  std::vector<std::string> stop = {};
  std::vector<TokenId> stop_token_ids = {};
  bool ignore_eos = false;
  bool skip_special_tokens = true;
  bool stream = false;
  /// A last chunk of the stream with the usage.
  bool include_usage = false;
};

struct ChatRequest {
  CompletionParams params;
  /// [{"role", "content"}, ...] with the content as one string.
  Json messages;
};

struct CompletionRequest {
  CompletionParams params;
  std::variant<std::string, std::vector<TokenId>> prompt;
};

/// `defaults` is what the model's generation_config.json says; a missing seed is drawn at random. Unknown fields are
/// ignored. Known ones that would change the answer in a way we cannot deliver are refused. Throws ApiError (400)
/// naming the field.
ChatRequest parse_chat_request(const Json& body, const engine::SamplingParams& defaults);
CompletionRequest parse_completion_request(const Json& body, const engine::SamplingParams& defaults);

}  // namespace gpuinfer::server
