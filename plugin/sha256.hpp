// The SHA-256 of a file.
#pragma once

#include <filesystem>
#include <string>

namespace gpuinfer::plugin {

/// 64 lower-case hexadecimal digits. Throws Error where the file cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace gpuinfer::plugin
