#include "runtime/server/text_stream.hpp"

#include <utility>

namespace gpuinfer::server {

TextStream::TextStream(engine::Generation generation, const text::Tokenizer& tokenizer, const CompletionParams& params)
    : tokenizer_(tokenizer),
      generation_(std::move(generation)),
      detokenizer_(tokenizer, params.skip_special_tokens ? text::SpecialTokens::kSkip : text::SpecialTokens::kKeep),
      stop_matcher_(params.stop) {}

TextPiece TextStream::next(engine::Clock::duration timeout) {
  engine::Progress progress = generation_->next(timeout);
  scheduled_time_ = generation_->scheduled_time();
  TextPiece piece;
  for (std::size_t i = 0; i < progress.tokens.size() && !stop_matcher_.stopped(); ++i) {
    const bool stop_token = progress.finished == engine::FinishReason::kStop && i + 1 == progress.tokens.size();
    piece.tokens.push_back(progress.tokens[i]);
    if (!stop_token) piece.text += stop_matcher_.add(to_text(progress.tokens[i].id));
  }
  if (progress.finished && !stop_matcher_.stopped()) {
    piece.text += stop_matcher_.add(detokenizer_.finish());
    piece.text += stop_matcher_.finish();
    piece.finished = progress.finished;
  }
  if (stop_matcher_.stopped()) {
    piece.finished = engine::FinishReason::kStop;
    generation_.reset();
  }
  return piece;
}

/// Vocabularies are padded: the model may choose an id that no token has.
std::string TextStream::to_text(TokenId token) {
  return static_cast<std::size_t>(token) < tokenizer_.vocab_size() ? detokenizer_.add(token) : "";
}

}  // namespace gpuinfer::server
