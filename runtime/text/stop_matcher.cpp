#include "runtime/text/stop_matcher.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace gpuinfer::text {
namespace {

/// Length of the longest end of `text` that is a beginning of `stop`, but not all of it.
std::size_t overlap(std::string_view text, std::string_view stop) {
  std::size_t length = std::min(text.size(), stop.size() - 1);
  while (length > 0 && text.substr(text.size() - length) != stop.substr(0, length)) --length;
  return length;
}

}  // namespace

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
  stops_.erase(std::remove(stops_.begin(), stops_.end(), ""), stops_.end());
}

std::string StopMatcher::add(std::string_view text) {
  if (stopped_) return "";
  pending_ += text;

  std::size_t first_end = std::string::npos;
  std::size_t first_begin = std::string::npos;
  for (const std::string& stop : stops_) {
    const std::size_t begin = pending_.find(stop);
    if (begin == std::string::npos) continue;
    const std::size_t end = begin + stop.size();
    std::tie(first_end, first_begin) = std::min(std::pair(end, begin), std::pair(first_end, first_begin));
  }
  if (first_end != std::string::npos) {
    stopped_ = true;
    return std::exchange(pending_, "").substr(0, first_begin);
  }

  std::size_t held = 0;
  for (const std::string& stop : stops_) held = std::max(held, overlap(pending_, stop));
  std::string shown = pending_.substr(0, pending_.size() - held);
  pending_.erase(0, shown.size());
  return shown;
}

std::string StopMatcher::finish() { return std::exchange(pending_, ""); }

}  // namespace gpuinfer::text
