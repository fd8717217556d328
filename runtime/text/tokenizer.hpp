// Text to token ids and back.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/text/added_tokens.hpp"
#include "runtime/text/marked_text.hpp"
#include "runtime/text/normalizer.hpp"
#include "runtime/text/pre_tokenizer.hpp"
#include "runtime/text/text_model.hpp"
#include "runtime/text/tokenizer_spec.hpp"
#include "runtime/token.hpp"

namespace gpuinfer::text {

/// What decoding does with special tokens.
enum class SpecialTokens { kSkip, kKeep };

/// Immutable, so threads may share one.
class Tokenizer {
 public:
  /// Throws Error where the parts of `spec` do not fit together.
  explicit Tokenizer(TokenizerSpec spec);

  /// The ids of a text, without BOS. Special tokens are recognised only where all of their characters come from the
  /// model's own template; in what a user wrote, "<|im_end|>" is just ten characters, and the only special token that
  /// it can become is the unknown one, where the file says that this is special. Ordinary text is cut into words
  /// without regard to origins, exactly as if it were one string.
  std::vector<TokenId> encode(const MarkedText& text) const;
  std::vector<TokenId> encode(std::string_view text, Origin origin = Origin::kUser) const {
    return encode(MarkedText(text, origin));
  }

  /// The text of `ids`, in valid UTF-8 (U+FFFD where the tokens' bytes are not), without the space that some tokenizers
  /// put before every text. Throws Error for an id that is not in the vocabulary.
  std::string decode(std::span<const TokenId> ids, SpecialTokens special = SpecialTokens::kSkip) const;

  /// The exact bytes of a token, which may be part of a character; "" for an id without a token. Throws Error as
  /// decode() does.
  std::string_view token_bytes(TokenId id) const;

  bool is_special(TokenId id) const;

  /// The id of an added token, by its content ("<|im_end|>").
  std::optional<TokenId> token_id(std::string_view content) const;

  /// One more than the largest id.
  std::size_t vocab_size() const { return bytes_.size(); }

 private:
  std::vector<std::string> bytes_;  // by id
  std::vector<bool> special_;       // by id
  std::unordered_map<std::string, TokenId> added_ids_;
  AddedTokens added_tokens_;
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  std::unique_ptr<const TextModel> model_;
  bool strip_leading_space_;
};

}  // namespace gpuinfer::text
