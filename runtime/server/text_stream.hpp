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
  std::string text;
  /// The tokens behind it, and behind what is held back.
  std::vector<engine::GeneratedToken> tokens;
  std::optional<engine::FinishReason> finished;
};

class TextStream {
 public:
  /// `tokenizer` outlives the stream.
  TextStream(engine::Generation generation, const text::Tokenizer& tokenizer, const CompletionParams& params);

  /// Waits for tokens, but not longer than `timeout`: then the piece is empty. After the stop string the generation is
  /// cancelled, and the reason is kStop. Not to be called after the end. Throws engine::GenerationFailed.
  TextPiece next(engine::Clock::duration timeout);

  /// When the request entered its first step, once it has.
  std::optional<engine::Clock::time_point> scheduled_time() const { return scheduled_time_; }

 private:
  std::string to_text(TokenId token);

  const text::Tokenizer& tokenizer_;
  std::optional<engine::Generation> generation_;
  text::Detokenizer detokenizer_;
  text::StopMatcher stop_matcher_;
  std::optional<engine::Clock::time_point> scheduled_time_;
};

}  // namespace gpuinfer::server
