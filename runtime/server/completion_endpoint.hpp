// In what /v1/chat/completions and /v1/completions differ: how a prompt is made, and what a reply looks like.
#pragma once

#include <memory>
#include <optional>
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
  std::vector<TokenId> prompt;
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

  /// An element of "choices".
  virtual Json choice(const std::string& text, engine::FinishReason reason) const = 0;
  /// What a stream begins with, before any text; null where it begins with text.
  virtual Json first_chunk_choice() const = 0;
  virtual Json chunk_choice(const std::string& text) const = 0;
  virtual Json last_chunk_choice(engine::FinishReason reason) const = 0;
};

std::unique_ptr<CompletionEndpoint> make_chat_completions_endpoint();
std::unique_ptr<CompletionEndpoint> make_completions_endpoint();

}  // namespace gpuinfer::server
