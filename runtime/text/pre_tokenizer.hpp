// Cuts text into the pieces (words, numbers, runs of white space) within which tokens may merge.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "runtime/text/split_regex.hpp"
#include "runtime/text/split_scanners.hpp"
#include "runtime/text/tokenizer_spec.hpp"

namespace gpuinfer::text {

/// Which way a pattern is matched; kRegex is for tests, which compare the two.
enum class SplitEngine { kFastest, kRegex };

/// A chain of splits. Immutable, so threads may share it.
class PreTokenizer {
 public:
  /// Throws Error naming the pattern and the place in it where it is not a regular expression that we can compile.
  explicit PreTokenizer(const std::vector<Split>& splits, SplitEngine engine = SplitEngine::kFastest);

  /// The pieces of `text`, which is valid UTF-8, in order. Throws Error where a pattern backtracks without end.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  /// One split, with the scanner or the regular expression that does it.
  class Step {
   public:
    Step(const Split& split, SplitEngine engine);
    /// Appends the pieces of `text`.
    void cut(std::string_view text, std::vector<std::string_view>& pieces) const;

   private:
    void cut_at_matches(std::string_view text, std::vector<std::string_view>& pieces) const;

    SplitBehavior behavior_;
    bool invert_;
    SplitScanner scanner_ = nullptr;
    std::optional<SplitRegex> regex_;
  };

  std::vector<Step> steps_;
};

}  // namespace gpuinfer::text
