#include "runtime/text/tokenizer.hpp"

#include <utility>

#include "base/error.hpp"
#include "runtime/text/byte_alphabet.hpp"
#include "runtime/text/byte_level_bpe.hpp"
#include "runtime/text/sentencepiece_bpe.hpp"
#include "runtime/text/sentencepiece_spelling.hpp"
#include "runtime/text/unigram.hpp"
#include "runtime/text/utf8.hpp"

namespace gpuinfer::text {
namespace {

/// What each id decodes to. The tokens of a byte-level `spec` are bytes after it, too: "" for a spelling outside
/// GPT-2's alphabet, which no text makes, and which decodes to itself, as with `tokenizers`.
std::vector<std::string> decode_tokens(TokenizerSpec& spec) {
  std::vector<std::string> bytes;
  bytes.reserve(spec.tokens.size());
  for (std::string& token : spec.tokens) {
    if (spec.spelling == Spelling::kSentencePiece) {
      bytes.push_back(bytes_of_sentencepiece(token));
    } else if (std::optional<std::string> decoded = bytes_of_spelling(token)) {
      token = std::move(*decoded);
      bytes.push_back(token);
    } else {
      bytes.push_back(std::exchange(token, ""));
    }
  }
  for (const AddedToken& token : spec.added_tokens) {
    if (token.id < 0 || static_cast<std::size_t>(token.id) >= bytes.size()) {
      throw Error("added token '" + token.content + "' has the id " + std::to_string(token.id) +
                      ", outside the vocabulary of " + std::to_string(bytes.size()) + " tokens",
                  "The tokenizer's file is damaged; fetch it again.");
    }
    // SentencePiece's decoders see added tokens like all others.
    bytes[static_cast<std::size_t>(token.id)] =
        spec.spelling == Spelling::kSentencePiece ? bytes_of_sentencepiece(token.content) : token.content;
  }
  return bytes;
}

std::vector<bool> special_ids(const TokenizerSpec& spec) {
  std::vector<bool> special(spec.tokens.size(), false);
  for (const AddedToken& token : spec.added_tokens) {
    if (token.special) special[static_cast<std::size_t>(token.id)] = true;
  }
  return special;
}

/// The model without special tokens, so that no text can be merged into one.
std::unique_ptr<const TextModel> make_model(TokenizerSpec spec, const std::vector<bool>& special) {
  const auto is_special = [&](TokenId id) { return special[static_cast<std::size_t>(id)]; };
  for (std::size_t i = 0; i < spec.tokens.size(); ++i) {
    if (special[i]) spec.tokens[i].clear();
  }
  if (const auto* unigram = std::get_if<UnigramSpec>(&spec.model)) {
    return std::make_unique<Unigram>(spec.tokens, *unigram, spec.unknown, spec.byte_fallback);
  }
  auto& bpe = std::get<BpeSpec>(spec.model);
  std::erase_if(bpe.merges, [&](const Merge& merge) {
    return is_special(merge.left) || is_special(merge.right) || is_special(merge.merged);
  });
  if (spec.spelling == Spelling::kSentencePiece) {
    return std::make_unique<SentencePieceBpe>(spec.tokens, bpe, spec.unknown, spec.byte_fallback);
  }
  return std::make_unique<ByteLevelBpe>(spec.tokens, bpe);
}

}  // namespace

Tokenizer::Tokenizer(TokenizerSpec spec)
    : bytes_(decode_tokens(spec)),
      special_(special_ids(spec)),
      added_tokens_(spec.added_tokens),
      normalizer_(spec.normalization),
      pre_tokenizer_(spec.splits),
      strip_leading_space_(spec.strip_leading_space) {
  for (const AddedToken& token : spec.added_tokens) added_ids_.emplace(token.content, token.id);
  model_ = make_model(std::move(spec), special_);
}

std::vector<TokenId> Tokenizer::encode(const MarkedText& text) const {
  const auto may_be = [&](const AddedToken& token, std::size_t begin, std::size_t end) {
    return !is_special(token.id) || text.is_all(Origin::kTemplate, begin, end);
  };
  std::vector<TokenId> ids;
  std::string buffer;
  for (const AddedTokens::Part& part : added_tokens_.split(text.str(), may_be)) {
    if (part.token) {
      ids.push_back(part.token->id);
      continue;
    }
    const bool first = part.text.data() == text.str().data();
    const std::string_view normalized = normalizer_.apply(part.text, first, buffer);
    for (const std::string_view piece : pre_tokenizer_.split(normalized)) model_->encode(piece, ids);
  }
  return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, SpecialTokens special) const {
  std::string bytes;
  for (const TokenId id : ids) {
    if (special == SpecialTokens::kKeep || !is_special(id)) bytes += token_bytes(id);
  }
  const bool strip = strip_leading_space_ && bytes.starts_with(' ');
  return to_valid_utf8(std::string_view(bytes).substr(strip ? 1 : 0));
}

std::string_view Tokenizer::token_bytes(TokenId id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= bytes_.size()) {
    throw Error("token id " + std::to_string(id) + " is not in the vocabulary of " + std::to_string(bytes_.size()) +
                " tokens");
  }
  return bytes_[static_cast<std::size_t>(id)];
}

bool Tokenizer::is_special(TokenId id) const {
  return id >= 0 && static_cast<std::size_t>(id) < special_.size() && special_[static_cast<std::size_t>(id)];
}

std::optional<TokenId> Tokenizer::token_id(std::string_view content) const {
  const auto found = added_ids_.find(std::string(content));
  return found == added_ids_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace gpuinfer::text
