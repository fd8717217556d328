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

/// Reads a few small files again and again and tells when their contents differ from the last time. Contents, not
/// inodes or times: a Secret's volume changes by swapping a symbolic link two levels up, and the files of a pair need
/// not change together.
class FileWatch {
 public:
  using Contents = std::vector<std::string>;

  /// Calls `on_change` in a thread of its own with the contents of `paths` whenever they differ from the last ones,
  /// which are `initial` at first. While a file cannot be read, nothing has changed.
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

/// The contents of all `paths`. Throws Error.
FileWatch::Contents read_files(const std::vector<std::filesystem::path>& paths);

}  // namespace gpuinfer::webhook
