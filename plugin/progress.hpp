// Long work, shown on standard error: one line redrawn in place on a terminal, one line for each new step elsewhere.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace gpuinfer::plugin {

/// Shows what is going on right now, and how long it has taken. Nothing is drawn more often than five times a second.
class Progress {
 public:
  Progress();
  /// Erases the live line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// The step under way ("pulling the image") and a detail that changes all the time ("41 MB of 98 MB"). Call it as
  /// often as you like.
  void update(std::string_view step, std::string_view detail = "");

  /// A step that is over, as a line that stays: "✓ scheduled   0.4s".
  void done(std::string_view step);

  /// A line that stays, for things worth knowing ("waiting for a node: …"). The same note twice in a row is shown once.
  void note(std::string_view text);

 private:
  using Clock = std::chrono::steady_clock;

  std::string elapsed() const;
  void erase_line();

  const bool live_;
  const bool coloured_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_drawn_{};
  std::string step_;
  std::string last_note_;
  std::size_t frame_ = 0;
  bool line_shown_ = false;
};

}  // namespace gpuinfer::plugin
