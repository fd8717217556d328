#include "webhook/file_watch.hpp"

#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

namespace gpuinfer::webhook {

FileWatch::FileWatch(std::vector<std::filesystem::path> paths, Contents initial, std::chrono::milliseconds interval,
                     std::function<void(const Contents&)> on_change)
    : paths_(std::move(paths)),
      last_(std::move(initial)),
      interval_(interval),
      on_change_(std::move(on_change)),
      thread_([this] { run(); }) {}

FileWatch::~FileWatch() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_up_.notify_one();
  thread_.join();
}

void FileWatch::run() {
  std::unique_lock lock(mutex_);
  while (!wake_up_.wait_for(lock, interval_, [this] { return is_stopping_; })) {
    lock.unlock();
    look();
    lock.lock();
  }
}

void FileWatch::look() {
  Contents contents;
  try {
    contents = read_files(paths_);
  } catch (const Error& error) {
    if (was_readable_)
      log(LogLevel::kWarning, "a watched file is gone; its last contents count", {{"error", error.what()}});
    was_readable_ = false;
    return;
  }
  was_readable_ = true;
  if (contents == last_) return;
  last_ = contents;
  on_change_(contents);
}

FileWatch::Contents read_files(const std::vector<std::filesystem::path>& paths) {
  FileWatch::Contents contents;
  for (const std::filesystem::path& path : paths) contents.push_back(read_file(path));
  return contents;
}

}  // namespace gpuinfer::webhook
