#include "runtime/server/load_report.hpp"

#include <utility>

#include "base/log.hpp"

namespace gpuinfer::server {
namespace {

using Duration = model::LoadProgress::Duration;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

double gb_per_second(std::int64_t bytes, Duration duration) {
  return duration == Duration::zero() ? 0 : static_cast<double>(bytes) / 1e9 / seconds(duration);
}

}  // namespace

Json describe(const model::LoadProgress& progress) {
  const std::int64_t total = progress.total_bytes;
  if (total == 0) return Json::object();
  const std::int64_t loaded = progress.loaded_bytes;
  return {{"loaded_bytes", loaded},
          {"total_bytes", total},
          {"share", static_cast<double>(loaded) / static_cast<double>(total)}};
}

Json summarize(const model::LoadProgress& progress) {
  Json summary = {{"loaded_bytes", progress.loaded_bytes.load()},
                  {"seconds", seconds(progress.elapsed())},
                  {"gb_per_second", gb_per_second(progress.loaded_bytes, progress.elapsed())}};
  if (progress.read_bytes > 0) {
    summary["storage_gb_per_second"] = gb_per_second(progress.read_bytes, progress.reading);
    summary["storage_wait_seconds"] = seconds(progress.waiting);
  }
  return summary;
}

LoadReporter::LoadReporter(std::shared_ptr<const model::LoadProgress> progress, std::chrono::milliseconds interval)
    : progress_(std::move(progress)), thread_([this, interval] { report(interval); }) {}

LoadReporter::~LoadReporter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
}

void LoadReporter::report(std::chrono::milliseconds interval) {
  std::int64_t reported = 0;
  Duration at{};
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, interval, [this] { return stopping_; })) {
    const Duration now = progress_->elapsed();
    Json fields = describe(*progress_);
    const std::int64_t loaded = progress_->loaded_bytes;
    fields["gb_per_second"] = gb_per_second(loaded - reported, now - at);
    log(LogLevel::kInfo, "loading", fields);
    reported = loaded;
    at = now;
  }
}

}  // namespace gpuinfer::server
