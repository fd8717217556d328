#include "base/log.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace gpuinfer {

namespace {

std::atomic<LogLevel> minimum_level{LogLevel::kInfo};

/// RFC 3339 in UTC with milliseconds.
std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> date{};
  std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%s.%03dZ", date.data(), static_cast<int>(milliseconds));
  return text.data();
}

}  // namespace

void set_log_level(LogLevel level) { minimum_level = level; }

bool is_logged(LogLevel level) { return level >= minimum_level.load(std::memory_order_relaxed); }

void log(LogLevel level, std::string_view message, const Json& fields) {
  if (!is_logged(level)) return;
  static constexpr std::array kNames{"debug", "info", "warning", "error"};
  Json line = {{"time", timestamp()}, {"level", kNames[static_cast<size_t>(level)]}, {"message", message}};
  line.update(fields);
  const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace gpuinfer
