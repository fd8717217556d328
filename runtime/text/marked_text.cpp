#include "runtime/text/marked_text.hpp"

#include <algorithm>

#include "runtime/text/utf8.hpp"

namespace gpuinfer::text {

MarkedText::MarkedText(std::string_view text, Origin origin) : text_(to_valid_utf8(text)) {
  extend(text_.size(), origin);
}

void MarkedText::append(const MarkedText& other) {
  const std::size_t offset = text_.size();
  text_ += other.text_;
  for (const Run& run : other.runs_) extend(offset + run.end, run.origin);
}

MarkedText MarkedText::slice(std::size_t begin, std::size_t end) const {
  MarkedText result;
  result.text_ = text_.substr(begin, end - begin);
  for (const Run& run : runs_) {
    if (run.end > begin) result.extend(std::min(run.end, end) - begin, run.origin);
    if (run.end >= end) break;
  }
  return result;
}

bool MarkedText::is_all(Origin origin, std::size_t begin, std::size_t end) const {
  const auto run = std::upper_bound(runs_.begin(), runs_.end(), begin, [](std::size_t position, const Run& candidate) {
    return position < candidate.end;
  });
  return run != runs_.end() && run->origin == origin && run->end >= end;
}

void MarkedText::extend(std::size_t end, Origin origin) {
  const std::size_t previous_end = runs_.empty() ? 0 : runs_.back().end;
  if (end == previous_end) return;
  if (!runs_.empty() && runs_.back().origin == origin)
    runs_.back().end = end;
  else
    runs_.push_back({end, origin});
}

}  // namespace gpuinfer::text
