// How far the loading of a model has come, for whoever waits.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace gpuinfer::model {

/// Written by the backend that loads, read by any thread. Bytes are those of the files.
struct LoadProgress {
  using Clock = std::chrono::steady_clock;
  using Duration = Clock::duration;

  /// 0 until it is known.
  std::atomic<std::int64_t> total_bytes{0};
  /// Of these, those that are where they will be computed with.
  std::atomic<std::int64_t> loaded_bytes{0};

  /// What the storage gave, where files were read by WeightReader: bytes, the time in which at least one read was under
  /// way, and the time in which nothing else could be done because of that.
  std::atomic<std::int64_t> read_bytes{0};
  std::atomic<Duration> reading{Duration::zero()};
  std::atomic<Duration> waiting{Duration::zero()};

  /// From the beginning until now, or until finish().
  Duration elapsed() const {
    const Duration whole = whole_;
    return whole != Duration::zero() ? whole : Clock::now() - begin_;
  }
  void finish() { whole_ = Clock::now() - begin_; }

 private:
  Clock::time_point begin_ = Clock::now();
  std::atomic<Duration> whole_{Duration::zero()};
};

}  // namespace gpuinfer::model
