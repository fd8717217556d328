// Telling how far the loading of a model has come.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "base/json.hpp"
#include "runtime/model/load_progress.hpp"

namespace gpuinfer::server {

/// {"loaded_bytes", "total_bytes", "share"}; {} until it is known how much there is.
Json describe(const model::LoadProgress& progress);

/// {"loaded_bytes", "seconds", "gb_per_second"}, and where the weights were read by the streaming reader also what the
/// storage gave: {"storage_gb_per_second", while it was asked; "storage_wait_seconds", in which nothing else could be
/// done}.
Json summarize(const model::LoadProgress& progress);

/// Writes lines "loading" to the log until it is destroyed.
class LoadReporter {
 public:
  explicit LoadReporter(std::shared_ptr<const model::LoadProgress> progress,
                        std::chrono::milliseconds interval = std::chrono::seconds(5));
  ~LoadReporter();
  LoadReporter(const LoadReporter&) = delete;
  LoadReporter& operator=(const LoadReporter&) = delete;

 private:
  void report(std::chrono::milliseconds interval);

  std::shared_ptr<const model::LoadProgress> progress_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::jthread thread_;  // Last: it uses all of the above.
};

}  // namespace gpuinfer::server
