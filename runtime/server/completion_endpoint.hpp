// In what /v1/chat/completions and /v1/completions differ: how prompts are made, and what a reply looks like.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "runtime/engine/generation.hpp"
#include "runtime/server/completion_request.hpp"
#include "runtime/server/served_model.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::server {

/// A request that is ready to be generated.
struct PreparedCompletion {
  CompletionParams params;
  std::vector<std::vector<TokenId>> prompts;
};

/// A token of a reply or of an echoed prompt. The prompt's first token has no logprobs.
struct ReplyToken {
  TokenId id = 0;
  std::optional<engine::Logprobs> logprobs = {};
};

/// A whole choice of a reply, or what a chunk adds to one.
struct ChoicePart {
  std::size_t index = 0;
  std::string text = {};
  std::vector<ReplyToken> tokens = {};
  /// Characters (Unicode code points) of this choice that came before.
  std::int64_t text_offset = 0;
  std::optional<engine::FinishReason> finished = {};
};

/// "stop", "length"
std::string_view to_string(engine::FinishReason reason);

class CompletionEndpoint {
 public:
  virtual ~CompletionEndpoint() = default;

  virtual std::string_view path() const = 0;
  /// What ids of replies begin with.
  virtual std::string_view id_prefix() const = 0;
  /// The "object" of a reply, and of a chunk of a streamed one.
  virtual std::string_view object() const = 0;
  virtual std::string_view chunk_object() const = 0;
  /// The request's field that holds the prompt, for errors.
  virtual std::string_view prompt_field() const = 0;

  /// Throws ApiError.
  virtual PreparedCompletion prepare(const Json& body, const ServedModel& model) const = 0;

  /// An element of "choices", without logprobs.
  virtual Json choice(const ChoicePart& part) const = 0;
  /// What a stream of a choice begins with, before any text; null where it begins with text.
  virtual Json first_chunk_choice(std::size_t index) const = 0;
  virtual Json chunk_choice(const ChoicePart& part) const = 0;
  /// The "logprobs" of a choice. `tokenizer` may be null.
  virtual Json logprobs(const ChoicePart& part, const text::Tokenizer* tokenizer) const = 0;
  /// Where a whole reply has `prompt_token_ids` and `prompt_logprobs` of the prompt of choice `index`, as in vLLM.
  virtual Json& about_prompt(Json& reply, std::size_t index) const = 0;
};

std::unique_ptr<CompletionEndpoint> make_chat_completions_endpoint();
std::unique_ptr<CompletionEndpoint> make_completions_endpoint();

}  // namespace gpuinfer::server
