// Notices when files change.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gpuinfer::webhook {

/// A small file as it was read.
struct WatchedFile {
  std::string name;
  std::string text;
  bool operator==(const WatchedFile&) const = default;
};

/// Reads a few small files again and again and tells when their contents differ from the last time. Contents, not
/// inodes or times: a Secret's volume changes by swapping a symbolic link two levels up, and the files of a pair need
/// not change together.
class FileWatch {
 public:
  using Contents = std::vector<WatchedFile>;

  /// Calls `on_change` in a thread of its own with what read_files(paths) gives whenever that differs from the last
  /// time, which is `initial` at first. While a file cannot be read, nothing has changed.
  FileWatch(std::vector<std::filesystem::path> paths, Contents initial, std::chrono::milliseconds interval,
            std::function<void(const Contents&)> on_change);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

 private:
  void run();
  void look();

  std::vector<std::filesystem::path> paths_;
  Contents last_;
  std::chrono::milliseconds interval_;
  std::function<void(const Contents&)> on_change_;
  bool was_readable_ = true;

  std::mutex mutex_;
  std::condition_variable wake_up_;
  bool is_stopping_ = false;
  std::thread thread_;
};

/// The files `paths` in their order; a folder stands for all *.yaml in it, by name. Throws Error.
FileWatch::Contents read_files(const std::vector<std::filesystem::path>& paths);

}  // namespace gpuinfer::webhook
