#include "runtime/text/pre_tokenizer.hpp"

namespace gpuinfer::text {

PreTokenizer::Step::Step(const Split& split, SplitEngine engine) : behavior_(split.behavior), invert_(split.invert) {
  if (engine == SplitEngine::kFastest && behavior_ == SplitBehavior::kIsolated) {
    scanner_ = find_split_scanner(split.pattern);
  }
  if (!scanner_) regex_.emplace(split.pattern);
}

void PreTokenizer::Step::cut(std::string_view text, std::vector<std::string_view>& pieces) const {
  if (!scanner_) {
    cut_at_matches(text, pieces);
    return;
  }
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = scanner_(text, begin);
    pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  }
}

void PreTokenizer::Step::cut_at_matches(std::string_view text, std::vector<std::string_view>& pieces) const {
  std::size_t piece_begin = 0;  // of the piece that is not complete
  bool previous_is_match = false;
  const auto finish_piece = [&](std::size_t end) {
    if (end > piece_begin) pieces.push_back(text.substr(piece_begin, end - piece_begin));
    piece_begin = end;
  };
  // Matches and what lies between them, from left to right.
  const auto add = [&](std::size_t begin, std::size_t end, bool is_match) {
    if (begin == end) return;
    const bool joins_previous = behavior_ == SplitBehavior::kMergedWithPrevious && is_match && !previous_is_match;
    const bool previous_joins = behavior_ == SplitBehavior::kMergedWithNext && previous_is_match && !is_match;
    if (!joins_previous && !previous_joins) finish_piece(begin);
    if (is_match && behavior_ == SplitBehavior::kRemoved) piece_begin = end;
    previous_is_match = is_match;
  };

  std::size_t done = 0;
  regex_->find_all(text, [&](std::size_t begin, std::size_t end) {
    add(done, begin, invert_);
    add(begin, end, !invert_);
    done = end;
  });
  add(done, text.size(), invert_);
  finish_piece(text.size());
}

PreTokenizer::PreTokenizer(const std::vector<Split>& splits, SplitEngine engine) {
  for (const Split& split : splits) steps_.emplace_back(split, engine);
}

std::vector<std::string_view> PreTokenizer::split(std::string_view text) const {
  std::vector<std::string_view> pieces;
  if (text.empty()) return pieces;
  pieces.push_back(text);
  std::vector<std::string_view> finer;
  for (const Step& step : steps_) {
    finer.clear();
    for (const std::string_view piece : pieces) step.cut(piece, finer);
    pieces.swap(finer);
  }
  return pieces;
}

}  // namespace gpuinfer::text
