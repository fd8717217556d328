// Structured logs of the long-running programs: one JSON object a line on standard error.
#pragma once

#include <string_view>

#include "base/json.hpp"

namespace gpuinfer {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Lines below `level` are dropped from now on. The default is kInfo.
void set_log_level(LogLevel level);

/// False where log() would drop a line of `level`: saves making its fields.
bool is_logged(LogLevel level);

/// Writes {"time", "level", "message", ...fields} in one write(2), so that lines of several threads never mix.
void log(LogLevel level, std::string_view message, const Json& fields = Json::object());

}  // namespace gpuinfer
