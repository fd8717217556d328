#include "runtime/server/text_stream.hpp"

#include <utility>

namespace gpuinfer::server {

TextStream::TextStream(engine::Generation generation, const text::Tokenizer* tokenizer, const CompletionParams& params)
    : tokenizer_(tokenizer),
      generation_(std::move(generation)),
      stop_matcher_(params.stop),
      unstoppable_tokens_(params.adjustments.min_tokens) {
  if (!tokenizer) return;
  detokenizer_.emplace(*tokenizer,
                       params.skip_special_tokens ? text::SpecialTokens::kSkip : text::SpecialTokens::kKeep);
}

TextPiece TextStream::next(engine::Clock::duration timeout) {
  engine::Progress progress = generation_->next(timeout);
  if (!start_) start_ = generation_->start();
  TextPiece piece{.prompt_logprobs = std::move(progress.prompt_logprobs)};
  for (std::size_t i = 0; i < progress.tokens.size() && !stop_matcher_.stopped(); ++i) {
    const bool stop_token = progress.finished == engine::FinishReason::kStop && i + 1 == progress.tokens.size();
    const std::string text = stop_token ? "" : to_text(progress.tokens[i].id);
    piece.text += unstoppable_tokens_ > 0 ? text : stop_matcher_.add(text);
    if (unstoppable_tokens_ > 0) --unstoppable_tokens_;
    piece.tokens.push_back(std::move(progress.tokens[i]));
  }
  if (progress.finished && !stop_matcher_.stopped()) {
    if (detokenizer_) piece.text += stop_matcher_.add(detokenizer_->finish());
    piece.text += stop_matcher_.finish();
    piece.finished = progress.finished;
  }
  if (stop_matcher_.stopped()) piece.finished = engine::FinishReason::kStop;
  if (piece.finished) generation_.reset();
  return piece;
}

/// Vocabularies are padded: a prompt's token may be an id that no token has.
std::string TextStream::to_text(TokenId token) {
  const bool known = tokenizer_ && static_cast<std::size_t>(token) < tokenizer_->vocab_size();
  return known ? detokenizer_->add(token) : "";
}

}  // namespace gpuinfer::server
