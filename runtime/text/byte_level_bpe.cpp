#include "runtime/text/byte_level_bpe.hpp"

#include <algorithm>
#include <queue>

#include "base/error.hpp"

namespace gpuinfer::text {
namespace {

constexpr TokenId kNoToken = -1;
constexpr std::uint32_t kNoMerge = UINT32_MAX;

/// Up to this many bytes, looking at every pair again after each merge is faster than keeping a heap.
constexpr std::size_t kShortPiece = 48;

std::uint64_t pack(TokenId left, TokenId right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) | static_cast<std::uint32_t>(right);
}

/// A token of a piece that is being merged, in a list from left to right.
struct Symbol {
  TokenId token;
  std::size_t previous;
  std::size_t next;
};

constexpr std::size_t kEnd = SIZE_MAX;

/// A merge that was possible when it was found. It still is if the two symbols are what they were.
struct Candidate {
  std::uint32_t rank;
  std::size_t left;
  TokenId left_token;
  TokenId right_token;
  TokenId merged;

  bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
};

}  // namespace

ByteLevelBpe::ByteLevelBpe(const std::vector<std::string>& tokens,
                           const std::vector<std::pair<std::string, std::string>>& merges, bool ignore_merges) {
  std::unordered_map<std::string_view, TokenId> ids;
  ids.reserve(tokens.size());
  byte_tokens_.fill(kNoToken);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].empty()) continue;
    ids.emplace(tokens[i], static_cast<TokenId>(i));
    if (tokens[i].size() == 1) byte_tokens_[static_cast<std::uint8_t>(tokens[i][0])] = static_cast<TokenId>(i);
  }

  const auto id_of = [&](const std::string& bytes, std::size_t rank) {
    const auto found = ids.find(bytes);
    if (found != ids.end()) return found->second;
    throw Error(
        "merge " + std::to_string(rank) + " of the tokenizer has or makes '" + bytes + "', which is not a token",
        "The file is damaged or belongs to another vocabulary; fetch it again.");
  };
  merges_.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const std::uint64_t pair = pack(id_of(left, rank), id_of(right, rank));
    merges_.insert_or_assign(pair, Merge{static_cast<std::uint32_t>(rank), id_of(left + right, rank)});
  }

  whole_pieces_.reserve(ids.size());
  std::vector<TokenId> encoded;
  for (const auto& [bytes, id] : ids) {
    encoded.clear();
    if (!ignore_merges) encode(bytes, encoded);
    if (ignore_merges || encoded == std::vector<TokenId>{id}) whole_pieces_.emplace(bytes, id);
  }
}

void ByteLevelBpe::encode(std::string_view piece, std::vector<TokenId>& ids) const {
  if (const auto whole = whole_pieces_.find(piece); whole != whole_pieces_.end()) {
    ids.push_back(whole->second);
  } else if (piece.size() <= kShortPiece) {
    merge_short(piece, ids);
  } else {
    merge_long(piece, ids);
  }
}

const ByteLevelBpe::Merge* ByteLevelBpe::find_merge(TokenId left, TokenId right) const {
  const auto found = merges_.find(pack(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void ByteLevelBpe::merge_short(std::string_view piece, std::vector<TokenId>& ids) const {
  std::array<TokenId, kShortPiece> tokens;
  std::array<Merge, kShortPiece> with_next;  // what tokens[i] and tokens[i + 1] make
  std::size_t count = 0;
  for (const char byte : piece) {
    const TokenId token = byte_tokens_[static_cast<std::uint8_t>(byte)];
    if (token != kNoToken) tokens[count++] = token;
  }
  const auto look_up = [&](std::size_t i) {
    const Merge* merge = i + 1 < count ? find_merge(tokens[i], tokens[i + 1]) : nullptr;
    with_next[i] = merge ? *merge : Merge{kNoMerge, kNoToken};
  };
  for (std::size_t i = 0; i < count; ++i) look_up(i);

  while (count > 1) {
    const auto best = std::min_element(with_next.begin(), with_next.begin() + static_cast<std::ptrdiff_t>(count),
                                       [](const Merge& a, const Merge& b) { return a.rank < b.rank; });
    if (best->rank == kNoMerge) break;
    const auto at = static_cast<std::size_t>(best - with_next.begin());
    tokens[at] = best->token;
    for (std::size_t i = at + 1; i + 1 < count; ++i) {
      tokens[i] = tokens[i + 1];
      with_next[i] = with_next[i + 1];
    }
    --count;
    look_up(at);
    if (at > 0) look_up(at - 1);
  }
  ids.insert(ids.end(), tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count));
}

void ByteLevelBpe::merge_long(std::string_view piece, std::vector<TokenId>& ids) const {
  std::vector<Symbol> symbols;
  symbols.reserve(piece.size());
  for (const char byte : piece) {
    const TokenId token = byte_tokens_[static_cast<std::uint8_t>(byte)];
    if (token != kNoToken) symbols.push_back({token, symbols.size() - 1, symbols.size() + 1});
  }
  if (symbols.empty()) return;
  symbols.front().previous = kEnd;
  symbols.back().next = kEnd;

  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  const auto consider = [&](std::size_t left) {
    if (left == kEnd || symbols[left].next == kEnd) return;
    const TokenId left_token = symbols[left].token;
    const TokenId right_token = symbols[symbols[left].next].token;
    if (const Merge* merge = find_merge(left_token, right_token)) {
      candidates.push({merge->rank, left, left_token, right_token, merge->token});
    }
  };
  for (std::size_t i = 0; i < symbols.size(); ++i) consider(i);

  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Symbol& left = symbols[best.left];
    if (left.token != best.left_token || left.next == kEnd || symbols[left.next].token != best.right_token) continue;
    Symbol& right = symbols[left.next];
    left.token = best.merged;
    left.next = right.next;
    right.token = kNoToken;
    if (left.next != kEnd) symbols[left.next].previous = best.left;
    consider(best.left);
    consider(left.previous);
  }
  for (std::size_t i = 0; i != kEnd; i = symbols[i].next) ids.push_back(symbols[i].token);
}

}  // namespace gpuinfer::text
