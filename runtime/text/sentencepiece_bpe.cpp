#include "runtime/text/sentencepiece_bpe.hpp"

#include <cstdint>

#include "runtime/text/sentencepiece_spelling.hpp"
#include "runtime/text/utf8.hpp"

namespace gpuinfer::text {

SentencePieceBpe::SentencePieceBpe(const std::vector<std::string>& tokens, const BpeSpec& bpe,
                                   std::optional<TokenId> unknown, bool byte_fallback)
    : whole_words_(tokens, bpe.ignore_merges),
      merges_(bpe.merges),
      ignore_merges_(bpe.ignore_merges),
      fuse_unknown_(bpe.fuse_unknown),
      unknown_(unknown) {
  if (byte_fallback) byte_tokens_ = byte_tokens_of(tokens);
  for (const Merge& merge : bpe.merges) {
    const std::string& left = tokens[static_cast<std::size_t>(merge.left)];
    const std::string& right = tokens[static_cast<std::size_t>(merge.right)];
    if (right.starts_with(kSpaceMark)) joins_space_mark_[static_cast<std::uint8_t>(left.back())] = true;
  }
}

void SentencePieceBpe::encode(std::string_view piece, std::vector<TokenId>& ids) const {
  if (ignore_merges_) {  // asks for the whole piece first, so it is not ours to cut
    encode_word(piece, ids);
    return;
  }
  for (std::size_t begin = 0; begin < piece.size();) {
    const std::size_t end = word_end(piece, begin);
    encode_word(piece.substr(begin, end - begin), ids);
    begin = end;
  }
}

std::size_t SentencePieceBpe::word_end(std::string_view piece, std::size_t begin) const {
  for (std::size_t at = begin + 1;; ++at) {
    at = piece.find(kSpaceMark, at);
    if (at == std::string_view::npos) return piece.size();
    if (!joins_space_mark_[static_cast<std::uint8_t>(piece[at - 1])]) return at;
  }
}

void SentencePieceBpe::encode_word(std::string_view word, std::vector<TokenId>& ids) const {
  whole_words_.encode(word, ids, [this](std::string_view text, std::vector<TokenId>& out) { merge(text, out); });
}

void SentencePieceBpe::merge(std::string_view word, std::vector<TokenId>& ids) const {
  const std::size_t begin = ids.size();
  bool previous_unknown = false;
  while (!word.empty()) {
    const std::string_view character = word.substr(0, first_character(word).length);
    word.remove_prefix(character.size());
    const TokenId id = whole_words_.find(character);
    const bool known = id != kNoToken || (byte_tokens_ && append_bytes(*byte_tokens_, character, ids));
    if (id != kNoToken) {
      ids.push_back(id);
    } else if (!known && unknown_ && !(previous_unknown && fuse_unknown_)) {
      ids.push_back(*unknown_);
    }
    previous_unknown = !known;
  }
  merges_.apply(ids, begin);
}

}  // namespace gpuinfer::text
