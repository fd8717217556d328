// Durations on the command line, as kubectl writes them: "90s", "5m", "1h30m", or a bare number of seconds.
#pragma once

#include <chrono>
#include <string>

namespace gpuinfer::plugin {

/// Throws Error where `text` is no duration, or one of more than a year.
std::chrono::seconds parse_duration(const std::string& text);

}  // namespace gpuinfer::plugin
