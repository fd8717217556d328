// The stream of changes that a watch request answers with: one JSON object a line.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/json.hpp"

namespace gpuinfer::kube {

/// A line of a watch stream.
struct WatchLine {
  std::string type;  ///< "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"
  Json object;       ///< with ERROR: a Status
};

/// Puts the lines of a watch stream together from pieces that may end anywhere.
class WatchDecoder {
 public:
  /// Calls `on_line` for each line that `piece` completes, until it returns false; false is then the result too. Throws
  /// Error for a line that is no watch event, or that does not end.
  bool feed(std::string_view piece, const std::function<bool(WatchLine)>& on_line);

 private:
  std::string partial_;
};

}  // namespace gpuinfer::kube
