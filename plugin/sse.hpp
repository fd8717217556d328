// Server-sent events, the framing of streamed answers (https://html.spec.whatwg.org/multipage/server-sent-events.html).
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace gpuinfer::plugin {

/// Takes a stream in pieces of any size and hands out the data of each event. Lines end in \n, \r\n or \r; comments and
/// fields other than `data` are skipped; several data lines of one event are joined by \n.
class SseParser {
 public:
  explicit SseParser(std::function<void(std::string_view data)> on_event) : on_event_(std::move(on_event)) {}

  /// The next bytes of the stream. Throws Error where one event grows beyond kMaximumEventBytes.
  void feed(std::string_view piece);

  static constexpr std::size_t kMaximumEventBytes = 16u << 20;

 private:
  void take_line(std::string_view line);

  std::function<void(std::string_view)> on_event_;
  std::string line_;  ///< the line under way
  std::string data_;  ///< the data lines of the event under way
  bool has_data_ = false;
  bool after_return_ = false;  ///< the last byte was \r: a \n that follows belongs to it
};

}  // namespace gpuinfer::plugin
