#include "runtime/text/detokenizer.hpp"

#include <string_view>
#include <utility>

#include "runtime/text/utf8.hpp"

namespace gpuinfer::text {

std::string Detokenizer::add(TokenId id) {
  const std::string_view bytes = tokenizer_->token_bytes(id);
  if (special_ == SpecialTokens::kSkip && tokenizer_->is_special(id)) return "";
  pending_ += bytes;
  const std::size_t complete = pending_.size() - incomplete_suffix_length(pending_);
  std::string text = to_valid_utf8(std::string_view(pending_).substr(0, complete));
  pending_.erase(0, complete);
  return text;
}

std::string Detokenizer::finish() { return to_valid_utf8(std::exchange(pending_, "")); }

}  // namespace gpuinfer::text
