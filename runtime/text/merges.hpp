// From merges as the files have them, in spellings or scores, to merges of token ids.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/token_map.hpp"
#include "runtime/text/tokenizer_spec.hpp"

namespace gpuinfer::text {

/// Reads a list of merges, best first, spelled as in the vocabulary. The spellings must stay where they are until
/// take(): half a million merges are looked up a group at a time, which waits for memory less often.
class MergeReader {
 public:
  /// `tokens`: spellings by id, "" where there is none; they outlive the reader. `count`: how many merges are to come.
  MergeReader(std::span<const std::string> tokens, std::size_t count);

  /// Throws Error where `left`, `right` or what they make is not a token; for one of the last merges, take() does.
  void add(std::string_view left, std::string_view right);

  /// "left right". Throws Error where there is no space, and as above.
  void add(std::string_view pair);

  Merges take();

 private:
  struct Half {
    std::string_view spelling;
    TokenMap::Hash hash;
  };

  void look_up_pending();
  TokenId find(const Half& half) const;
  TokenId find_merged(std::string_view spelling) const;

  std::span<const std::string> tokens_;
  TokenMap ids_;
  std::array<std::pair<Half, Half>, 32> pending_{};
  std::size_t pending_count_ = 0;
  std::string joined_;
  Merges merges_;
};

/// SentencePiece keeps scores instead of merges: any two neighbours that make a token may merge, the best score first
/// (sentencepiece src/bpe_model.cc). `scores` are by id. Tokens spelled "" have no part in it.
Merges merges_by_score(std::span<const std::string> tokens, std::span<const double> scores);

}  // namespace gpuinfer::text
