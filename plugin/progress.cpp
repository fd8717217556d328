// Draws progress lines.
#include "plugin/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>

#include "plugin/output.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr std::array kFrames = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
constexpr auto kRedrawInterval = std::chrono::milliseconds(200);

std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

Progress::Progress() : live_(is_terminal(STDERR_FILENO)), coloured_(wants_colour(STDERR_FILENO)) {}

Progress::~Progress() { erase_line(); }

std::string Progress::elapsed() const {
  char text[32];
  std::snprintf(text, sizeof text, "%.1fs", std::chrono::duration<double>(Clock::now() - start_).count());
  return text;
}

void Progress::erase_line() {
  if (line_shown_) std::cerr << "\r\033[K" << std::flush;
  line_shown_ = false;
}

void Progress::update(std::string_view step, std::string_view detail) {
  const bool new_step = step != step_;
  step_ = step;
  if (!live_) {
    if (new_step) std::cerr << step << "…\n";
    return;
  }
  if (!new_step && Clock::now() - last_drawn_ < kRedrawInterval) return;
  last_drawn_ = Clock::now();
  std::string line = std::string(step) + (detail.empty() ? "" : ": " + std::string(detail));
  // A line that wraps cannot be redrawn in place.
  const std::size_t room = terminal_width() - 12;
  if (line.size() > room) line.resize(room);
  frame_ = (frame_ + 1) % kFrames.size();
  erase_line();
  std::cerr << paint(kFrames[frame_], Colour::kCyan, coloured_) << ' ' << line << ' '
            << paint(elapsed(), Colour::kDim, coloured_) << std::flush;
  line_shown_ = true;
}

void Progress::done(std::string_view step) {
  erase_line();
  std::cerr << paint("✓", Colour::kGreen, coloured_) << ' ' << step << ' ' << paint(elapsed(), Colour::kDim, coloured_)
            << '\n';
}

void Progress::note(std::string_view text) {
  if (text == last_note_) return;
  last_note_ = text;
  erase_line();
  std::cerr << paint("!", Colour::kYellow, coloured_) << ' ' << text << '\n';
}

}  // namespace gpuinfer::plugin
