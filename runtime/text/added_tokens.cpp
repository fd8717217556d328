#include "runtime/text/added_tokens.hpp"

#include <algorithm>
#include <utility>

#include "runtime/text/utf8.hpp"

namespace gpuinfer::text {
namespace {

/// ASCII only, and any other character counts as a letter: enough to see that "<mask>" stands inside a word.
bool is_word_byte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_' ||
         (byte & 0x80) != 0;
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin == 0 || !is_word_byte(text[begin - 1])) && (end == text.size() || !is_word_byte(text[end]));
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    if (content.empty()) continue;
    begins_token_[static_cast<std::uint8_t>(content[0])] = true;
    trie_.insert(content, static_cast<std::uint32_t>(i));
  }
}

std::vector<AddedTokens::Part> AddedTokens::split(std::string_view text, const MayBe& may_be) const {
  std::vector<Part> parts;
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    const AddedToken* token =
        begins_token_[static_cast<std::uint8_t>(text[at])] ? longest_at(text, at, may_be) : nullptr;
    if (!token) {
      ++at;
      continue;
    }
    std::size_t begin = at;
    std::size_t end = at + token->content.size();
    if (token->lstrip) begin = std::max(done, length_without_trailing_space(text.substr(0, begin)));
    if (token->rstrip) end += leading_space_length(text.substr(end));
    if (begin > done) parts.push_back({nullptr, text.substr(done, begin - done)});
    parts.push_back({token, text.substr(begin, end - begin)});
    done = at = end;
  }
  if (done < text.size()) parts.push_back({nullptr, text.substr(done)});
  return parts;
}

const AddedToken* AddedTokens::longest_at(std::string_view text, std::size_t begin, const MayBe& may_be) const {
  const AddedToken* longest = nullptr;
  trie_.find_prefixes(text.substr(begin), [&](std::size_t length, std::uint32_t index) {
    const AddedToken& token = tokens_[index];
    const std::size_t end = begin + length;
    if ((!token.single_word || stands_alone(text, begin, end)) && may_be(token, begin, end)) longest = &token;
  });
  return longest;
}

}  // namespace gpuinfer::text
