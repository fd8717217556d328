// A generation as text: characters instead of tokens, up to the first stop string.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/engine/generation.hpp"
#include "runtime/server/completion_request.hpp"
#include "runtime/text/detokenizer.hpp"
#include "runtime/text/stop_matcher.hpp"
#include "runtime/text/tokenizer.hpp"

namespace gpuinfer::server {

/// What is new since the last piece.
struct TextPiece {
  /// Whole characters that cannot become part of a stop string any more.
  std::string text = {};
  /// The tokens behind it, and behind what is held back.
  std::vector<engine::GeneratedToken> tokens = {};
  std::vector<engine::Logprobs> prompt_logprobs = {};
  std::optional<engine::FinishReason> finished = {};
};

class TextStream {
 public:
  /// `tokenizer` outlives the stream; null: there is never any text.
  TextStream(engine::Generation generation, const text::Tokenizer* tokenizer, const CompletionParams& params);

  /// Waits for tokens, but not longer than `timeout`: then the piece is empty. After the stop string the generation is
  /// cancelled, and the reason is kStop. Not to be called after the end. Throws engine::GenerationFailed.
  TextPiece next(engine::Clock::duration timeout);

  /// Null after the end.
  const engine::Generation* generation() const { return generation_ ? &*generation_ : nullptr; }
  /// Once the first step has begun.
  const std::optional<engine::Start>& start() const { return start_; }

 private:
  std::string to_text(TokenId token);

  const text::Tokenizer* tokenizer_;
  std::optional<engine::Generation> generation_;
  std::optional<text::Detokenizer> detokenizer_;
  text::StopMatcher stop_matcher_;
  /// Tokens that come before a stop string counts.
  std::int64_t unstoppable_tokens_;
  std::optional<engine::Start> start_;
};

}  // namespace gpuinfer::server
