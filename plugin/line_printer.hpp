// Whole lines of several streams on one output, each with its stream's name in front.
#pragma once

#include <mutex>
#include <ostream>
#include <string>
#include <string_view>

namespace gpuinfer::plugin {

class LinePrinter {
 public:
  /// Printers that share `out` share `mutex`.
  LinePrinter(std::ostream& out, std::mutex& mutex, std::string prefix)
      : out_(out), mutex_(mutex), prefix_(std::move(prefix)) {}
  /// Prints a last line that has no end.
  ~LinePrinter() {
    if (!line_.empty()) feed("\n");
  }
  LinePrinter(const LinePrinter&) = delete;
  LinePrinter& operator=(const LinePrinter&) = delete;

  void feed(std::string_view piece) {
    line_ += piece;
    const std::size_t end = line_.rfind('\n');
    if (end == std::string::npos) return;
    const std::lock_guard lock(mutex_);
    for (std::size_t start = 0; start <= end;) {
      const std::size_t next = line_.find('\n', start) + 1;
      out_ << prefix_ << std::string_view(line_).substr(start, next - start);
      start = next;
    }
    out_.flush();
    line_.erase(0, end + 1);
  }

 private:
  std::ostream& out_;
  std::mutex& mutex_;
  std::string prefix_;
  std::string line_;  ///< the line under way
};

}  // namespace gpuinfer::plugin
