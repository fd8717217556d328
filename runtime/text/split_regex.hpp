// A split pattern as a regular expression: the general way, for patterns that nobody wrote out by hand.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

struct pcre2_real_code_8;

namespace gpuinfer::text {

/// Oniguruma's syntax as far as PCRE2 has the same. Compiled to machine code. Immutable.
class SplitRegex {
 public:
  /// A match lies from byte `begin` up to `end`.
  using Found = std::function<void(std::size_t begin, std::size_t end)>;

  /// Throws Error naming the pattern and the place in it where it is not a regular expression that we can compile.
  explicit SplitRegex(std::string pattern);

  /// Calls `found` for each match in `text` (valid UTF-8) from left to right; none is empty. Throws Error where the
  /// pattern backtracks without end.
  void find_all(std::string_view text, const Found& found) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };

  std::string pattern_;
  std::unique_ptr<pcre2_real_code_8, Free> code_;
};

}  // namespace gpuinfer::text
