// Finds the stop strings of a request in a stream of text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpuinfer::text {

/// Ends a text before the stop string that is complete first (the longest of those that end at the same byte). How the
/// text is cut into pieces makes no difference, and only what may still become a stop string is held back.
class StopMatcher {
 public:
  /// Empty strings are ignored.
  explicit StopMatcher(std::vector<std::string> stops);

  /// What can be shown after `text` (valid UTF-8, whole characters) has arrived. "" from the stop string on.
  std::string add(std::string_view text);

  /// What was held back when the text ends without a stop string.
  std::string finish();

  /// Whether a stop string has been found.
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string pending_;
  bool stopped_ = false;
};

}  // namespace gpuinfer::text
