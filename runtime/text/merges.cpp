#include "runtime/text/merges.hpp"

#include <algorithm>
#include <cstdint>

#include "base/error.hpp"

namespace gpuinfer::text {
namespace {

bool is_continuation(char byte) { return (static_cast<std::uint8_t>(byte) & 0xC0) == 0x80; }

}  // namespace

MergeReader::MergeReader(std::span<const std::string> tokens, std::size_t count) : tokens_(tokens), ids_(tokens) {
  merges_.reserve(count);
}

void MergeReader::add(std::string_view left, std::string_view right) {
  pending_[pending_count_++] = {{left, TokenMap::hash(left)}, {right, TokenMap::hash(right)}};
  if (pending_count_ == pending_.size()) look_up_pending();
}

void MergeReader::add(std::string_view pair) {
  const std::size_t space = pair.find(' ');
  if (space == std::string_view::npos) throw Error("the merge '" + std::string(pair) + "' is not a pair of tokens");
  add(pair.substr(0, space), pair.substr(space + 1));
}

Merges MergeReader::take() {
  look_up_pending();
  return std::move(merges_);
}

void MergeReader::look_up_pending() {
  const std::span pending(pending_.data(), std::exchange(pending_count_, 0));
  for (const auto& [left, right] : pending) {
    ids_.prefetch_slot(left.hash);
    ids_.prefetch_slot(right.hash);
  }
  for (const auto& [left, right] : pending) {
    ids_.prefetch_rest(left.hash);
    ids_.prefetch_rest(right.hash);
  }
  for (const auto& [left, right] : pending) {
    joined_.assign(left.spelling).append(right.spelling);
    merges_.push_back({find(left), find(right), find_merged(joined_), static_cast<std::uint32_t>(merges_.size())});
  }
}

TokenId MergeReader::find(const Half& half) const {
  const TokenId id = ids_.find(half.spelling, half.hash);
  if (id != kNoToken) return id;
  throw Error("merge " + std::to_string(merges_.size()) + " of the tokenizer has or makes '" +
                  std::string(half.spelling) + "', which is not a token",
              "The file is damaged or belongs to another vocabulary; fetch it again.");
}

/// Vocabularies are in the order of the merges that made them, so the id is often that of the merge before, or the
/// next.
TokenId MergeReader::find_merged(std::string_view spelling) const {
  if (!merges_.empty()) {
    const auto before = static_cast<std::size_t>(merges_.back().merged);
    if (tokens_[before] == spelling) return merges_.back().merged;
    if (before + 1 < tokens_.size() && tokens_[before + 1] == spelling) return merges_.back().merged + 1;
  }
  return find({spelling, TokenMap::hash(spelling)});
}

Merges merges_by_score(std::span<const std::string> tokens, std::span<const double> scores) {
  std::vector<TokenId> order;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens[i].empty()) order.push_back(static_cast<TokenId>(i));
  }
  const auto score_of = [&](TokenId id) { return scores[static_cast<std::size_t>(id)]; };
  std::stable_sort(order.begin(), order.end(), [&](TokenId a, TokenId b) { return score_of(a) > score_of(b); });

  const TokenMap ids(tokens);
  Merges merges;
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && score_of(order[i]) != score_of(order[i - 1])) ++rank;
    const std::string_view token = tokens[static_cast<std::size_t>(order[i])];
    for (std::size_t cut = 1; cut < token.size(); ++cut) {
      if (is_continuation(token[cut])) continue;
      const TokenId left = ids.find(token.substr(0, cut));
      const TokenId right = left == kNoToken ? kNoToken : ids.find(token.substr(cut));
      if (right != kNoToken) merges.push_back({left, right, order[i], rank});
    }
  }
  return merges;
}

}  // namespace gpuinfer::text
