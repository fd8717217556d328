#include "runtime/text/unigram.hpp"

#include <algorithm>
#include <cstdint>

#include "base/error.hpp"
#include "runtime/text/sentencepiece_spelling.hpp"
#include "runtime/text/utf8.hpp"

namespace gpuinfer::text {
namespace {

/// How much less probable than the least probable token an unknown character is (kUnkPenalty of SentencePiece).
constexpr double kUnknownPenalty = 10;

}  // namespace

Unigram::Unigram(const std::vector<std::string>& tokens, const UnigramSpec& unigram, std::optional<TokenId> unknown,
                 bool byte_fallback)
    : scores_(unigram.scores), unknown_score_(-kUnknownPenalty), unknown_(unknown) {
  if (scores_.size() != tokens.size()) {
    throw Error(std::to_string(tokens.size()) + " tokens, but " + std::to_string(scores_.size()) + " scores",
                "The tokenizer's file is damaged; fetch it again.");
  }
  if (!scores_.empty()) unknown_score_ += *std::min_element(scores_.begin(), scores_.end());
  if (byte_fallback) byte_tokens_ = byte_tokens_of(tokens);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens[i].empty()) trie_.insert(tokens[i], static_cast<std::uint32_t>(i));
  }
}

void Unigram::encode(std::string_view piece, std::vector<TokenId>& ids) const {
  const std::vector<Step> steps = best_steps(piece);
  std::vector<std::size_t> ends;  // of the tokens, the last first
  for (std::size_t end = piece.size(); end > 0; end = steps[end].begin) ends.push_back(end);

  // Neighbouring unknown characters are one.
  std::size_t unknown_begin = 0;
  std::size_t unknown_end = 0;
  const auto flush = [&] {
    if (unknown_end > unknown_begin) append_unknown(piece.substr(unknown_begin, unknown_end - unknown_begin), ids);
  };
  for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
    const Step& step = steps[*end];
    if (step.token == kUnknown) {
      unknown_end = *end;
      continue;
    }
    flush();
    ids.push_back(step.token);
    unknown_begin = unknown_end = *end;
  }
  flush();
}

/// By the byte at which they end.
std::vector<Unigram::Step> Unigram::best_steps(std::string_view piece) const {
  std::vector<Step> steps(piece.size() + 1);
  for (std::size_t begin = 0; begin < piece.size();) {
    const double score_so_far = steps[begin].score;
    const auto consider = [&](std::size_t length, TokenId token, double score) {
      Step& step = steps[begin + length];
      if (step.token == kUnreached || score_so_far + score > step.score) step = {begin, token, score_so_far + score};
    };
    const std::string_view rest = piece.substr(begin);
    const std::size_t character_length = first_character(rest).length;
    bool is_token = false;
    trie_.find_prefixes(rest, [&](std::size_t length, std::uint32_t id) {
      consider(length, static_cast<TokenId>(id), scores_[id]);
      is_token = is_token || length == character_length;
    });
    if (!is_token) consider(character_length, kUnknown, unknown_score_);
    begin += character_length;
  }
  return steps;
}

void Unigram::append_unknown(std::string_view characters, std::vector<TokenId>& ids) const {
  if (byte_tokens_ && append_bytes(*byte_tokens_, characters, ids)) return;
  if (unknown_) ids.push_back(*unknown_);
}

}  // namespace gpuinfer::text
