// The end of a log file, and what is added to it.
#pragma once

#include <filesystem>
#include <functional>
#include <ostream>
#include <string>

namespace gpuinfer::plugin {

/// The last `count` lines of the file, or "" where it cannot be read.
std::string last_lines(const std::filesystem::path& file, int count);

/// Copies the file from `offset` on to `out`, and then what is added to it, until `keep_going` says no (asked a few
/// times a second).
void follow_file(const std::filesystem::path& file, std::uintmax_t offset, std::ostream& out,
                 const std::function<bool()>& keep_going);

}  // namespace gpuinfer::plugin
