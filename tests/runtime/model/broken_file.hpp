// A file that can be opened and not read, as on a disk that fails.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

namespace gpuinfer::model {

/// From now on every read of `path` by who has it open fails with EISDIR: their descriptors lead to a folder.
inline void break_open_file(const std::filesystem::path& path) {
  bool found = false;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code closed;
    if (std::filesystem::read_symlink(entry.path(), closed) != path) continue;
    const int folder = open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dup2(folder, std::stoi(entry.path().filename().string()));
    close(folder);
    found = true;
  }
  if (!found) throw std::runtime_error(path.string() + " is not open");
}

}  // namespace gpuinfer::model
