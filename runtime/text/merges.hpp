// From merges as the files have them, in spellings or scores, to merges of token ids.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/token_map.hpp"
#include "runtime/text/tokenizer_spec.hpp"

namespace gpuinfer::text {

/// Reads a list of merges, best first, spelled as in the vocabulary.
class MergeReader {
 public:
  /// `tokens`: spellings by id, "" where there is none; they outlive the reader. `count`: how many merges are to come.
  MergeReader(std::span<const std::string> tokens, std::size_t count);

  /// Throws Error where `left`, `right` or what they make is not a token.
  void add(std::string_view left, std::string_view right);

  /// "left right". Throws Error where there is no space, and as above.
  void add(std::string_view pair);

  std::vector<Merge> take() { return std::move(merges_); }

 private:
  TokenId find(std::string_view spelling) const;
  TokenId find_merged(std::string_view spelling) const;

  std::span<const std::string> tokens_;
  TokenMap ids_;
  std::string joined_;
  std::vector<Merge> merges_;
};

/// SentencePiece keeps scores instead of merges: any two neighbours that make a token may merge, the best score first
/// (sentencepiece src/bpe_model.cc). `scores` are by id. Tokens spelled "" have no part in it.
std::vector<Merge> merges_by_score(std::span<const std::string> tokens, std::span<const double> scores);

}  // namespace gpuinfer::text
