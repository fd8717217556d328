#include "webhook/file_watch.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

namespace gpuinfer::webhook {

namespace {

namespace fs = std::filesystem;

/// In the volume of a ConfigMap, each file is a link through the link ..data into the folder of a version.
std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".yaml" && entry->is_regular_file(error)) files.push_back(entry->path());
  }
  if (error) throw Error("cannot read " + folder.string() + ": " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

FileWatch::FileWatch(std::vector<fs::path> paths, Contents initial, std::chrono::milliseconds interval,
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
    // Read while they are being replaced, some are old and others new.
    if (contents != last_ && contents != read_files(paths_)) return;
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

FileWatch::Contents read_files(const std::vector<fs::path>& paths) {
  FileWatch::Contents contents;
  for (const fs::path& path : paths) {
    const std::vector<fs::path> files = fs::is_directory(path) ? files_of(path) : std::vector{path};
    for (const fs::path& file : files) contents.push_back({file.string(), read_file(file)});
  }
  return contents;
}

}  // namespace gpuinfer::webhook
