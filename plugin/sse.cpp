// Splits a stream into lines and lines into events.
#include "plugin/sse.hpp"

#include <utility>

#include "base/error.hpp"

namespace gpuinfer::plugin {

void SseParser::feed(std::string_view piece) {
  while (!piece.empty()) {
    if (after_return_ && piece.front() == '\n') {
      after_return_ = false;
      piece.remove_prefix(1);
      continue;
    }
    after_return_ = false;
    const std::size_t end = piece.find_first_of("\r\n");
    line_.append(piece.substr(0, end));
    if (line_.size() + data_.size() > kMaximumEventBytes) throw Error("the server sent an event of more than 16 MiB");
    if (end == std::string_view::npos) return;
    after_return_ = piece[end] == '\r';
    piece.remove_prefix(end + 1);
    const std::string line = std::exchange(line_, {});
    take_line(line);
  }
}

void SseParser::take_line(std::string_view line) {
  if (line.empty()) {
    const std::string data = std::exchange(data_, {});
    if (std::exchange(has_data_, false)) on_event_(data);
    return;
  }
  const std::size_t colon = line.find(':');
  if (line.substr(0, colon) != "data") return;
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (has_data_) data_ += '\n';
  data_ += value;
  has_data_ = true;
}

}  // namespace gpuinfer::plugin
