#include "runtime/text/tokenizer.hpp"

#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "runtime/text/byte_alphabet.hpp"
#include "runtime/text/utf8.hpp"

namespace gpuinfer::text {
namespace {

/// The bytes of every token and merge. Spellings outside GPT-2's alphabet are taken literally, as `tokenizers` does
/// when it decodes.
std::string bytes_of(const std::string& spelling) { return bytes_of_spelling(spelling).value_or(spelling); }

/// Added tokens are found before the merges run. Without them among the merges' tokens, no text can be merged into a
/// special token.
ByteLevelBpe make_bpe(std::vector<std::string> bytes, const TokenizerSpec& spec) {
  std::unordered_set<std::string> special;
  for (const AddedToken& token : spec.added_tokens) {
    if (!token.special) continue;
    bytes[static_cast<std::size_t>(token.id)].clear();
    special.insert(token.content);
  }
  std::vector<std::pair<std::string, std::string>> merges;
  merges.reserve(spec.merges.size());
  for (const auto& [left_spelling, right_spelling] : spec.merges) {
    std::string left = bytes_of(left_spelling);
    std::string right = bytes_of(right_spelling);
    const bool has_special = special.count(left) || special.count(right) || special.count(left + right);
    if (!has_special) merges.emplace_back(std::move(left), std::move(right));
  }
  return ByteLevelBpe(bytes, merges, spec.ignore_merges);
}

std::vector<std::string> bytes_by_id(const TokenizerSpec& spec) {
  std::vector<std::string> bytes;
  bytes.reserve(spec.tokens.size());
  for (const std::string& spelling : spec.tokens) bytes.push_back(bytes_of(spelling));
  for (const AddedToken& token : spec.added_tokens) {
    if (token.id < 0 || static_cast<std::size_t>(token.id) >= bytes.size()) {
      throw Error("added token '" + token.content + "' has the id " + std::to_string(token.id) +
                      ", outside the vocabulary of " + std::to_string(bytes.size()) + " tokens",
                  "The tokenizer's file is damaged; fetch it again.");
    }
    bytes[static_cast<std::size_t>(token.id)] = token.content;
  }
  return bytes;
}

}  // namespace

Tokenizer::Tokenizer(TokenizerSpec spec)
    : bytes_(bytes_by_id(spec)),
      special_(bytes_.size(), false),
      added_tokens_(spec.added_tokens),
      pre_tokenizer_(spec.split_patterns),
      bpe_(make_bpe(bytes_, spec)) {
  for (const AddedToken& token : spec.added_tokens) {
    special_[static_cast<std::size_t>(token.id)] = token.special;
    added_ids_.emplace(token.content, token.id);
  }
}

std::vector<TokenId> Tokenizer::encode(const MarkedText& text) const {
  const auto may_be = [&](const AddedToken& token, std::size_t begin, std::size_t end) {
    return !token.special || text.is_all(Origin::kTemplate, begin, end);
  };
  std::vector<TokenId> ids;
  for (const AddedTokens::Part& part : added_tokens_.split(text.str(), may_be)) {
    if (part.token) {
      ids.push_back(part.token->id);
      continue;
    }
    for (const std::string_view piece : pre_tokenizer_.split(part.text)) bpe_.encode(piece, ids);
  }
  return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, SpecialTokens special) const {
  std::string bytes;
  for (const TokenId id : ids) {
    if (special == SpecialTokens::kKeep || !is_special(id)) bytes += token_bytes(id);
  }
  return to_valid_utf8(bytes);
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
