#include "base/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/error.hpp"

namespace gpuinfer {

namespace {

[[noreturn]] void fail(const char* action, const std::filesystem::path& path) {
  throw Error(std::string("cannot ") + action + " " + path.string() + ": " + std::strerror(errno));
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) {
    errno = EISDIR;
    fail("read", path);
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) fail("read", path);
  std::ostringstream contents;
  contents << in.rdbuf();
  if (in.bad()) fail("read", path);
  return std::move(contents).str();
}

void write_file(const std::filesystem::path& path, std::string_view contents, unsigned mode) {
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  const std::filesystem::path temporary = path.string() + "." + std::to_string(getpid()) + ".tmp";
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) fail("write", temporary);
  while (!contents.empty()) {
    const ssize_t written = write(fd, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int reason = errno;
      close(fd);
      unlink(temporary.c_str());
      errno = reason;
      fail("write", temporary);
    }
    contents.remove_prefix(static_cast<size_t>(written));
  }
  fsync(fd);
  close(fd);
  if (rename(temporary.c_str(), path.c_str()) != 0) fail("write", path);
}

std::filesystem::path cache_directory() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache)
    return std::filesystem::path(cache) / "gpuinfer";
  if (const char* home = std::getenv("HOME"); home && *home) return std::filesystem::path(home) / ".cache" / "gpuinfer";
  throw Error("no cache directory: neither XDG_CACHE_HOME nor HOME is set", "set HOME to your home directory");
}

}  // namespace gpuinfer
