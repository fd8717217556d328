// Whole files in and out.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace gpuinfer {

/// The bytes of `path`. Throws Error naming the path and the system's reason.
std::string read_file(const std::filesystem::path& path);

/// Replaces `path` in one step (write beside it, fsync, rename), so that a reader or a crash never sees half a file.
/// Makes missing parent folders. `mode` is the permission of the new file. Throws Error.
void write_file(const std::filesystem::path& path, std::string_view contents, unsigned mode = 0644);

/// `${XDG_CACHE_HOME:-~/.cache}/gpuinfer`: everything that can be fetched or built again. Throws Error where neither
/// variable is set.
std::filesystem::path cache_directory();

}  // namespace gpuinfer
