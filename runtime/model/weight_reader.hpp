// Reading a model's files while somebody else works on what was read before.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/model/load_progress.hpp"
#include "runtime/model/mapped_file.hpp"
#include "runtime/model/ring_memory.hpp"

namespace gpuinfer::model {

struct ReadAhead {
  /// Of one read: large enough to amortise a network file system's round trip.
  std::size_t chunk_bytes = std::size_t{8} << 20;
  /// That the ring holds: what is read while a GPU is set up, and what one read may be slower than another.
  std::size_t chunks = 32;
  /// Enough outstanding reads to fill a network file system's or an NVMe disk's bandwidth.
  int threads = 8;
};

/// Reads whole files from their beginnings to their ends, one after the other, with several positional reads at once,
/// into a ring of memory; it starts at once and waits where the ring is full of what is still needed. The ring is
/// written again and again: fresh memory would cost a page fault for every 4 KiB, which takes longer than the read.
///
/// One thread uses it: it asks for ranges in the order of the files and says with each that what lies before is done.
class WeightReader {
 public:
  /// `progress` learns what was read and how long that took.
  WeightReader(std::vector<std::shared_ptr<MappedFile>> files, std::shared_ptr<LoadProgress> progress,
               const ReadAhead& ahead = {});
  ~WeightReader();
  WeightReader(const WeightReader&) = delete;
  WeightReader& operator=(const WeightReader&) = delete;

  /// Where a byte of MappedFile::bytes() stands in the order of reading; nothing for other memory.
  std::optional<std::uint64_t> position(const std::byte* byte) const;

  /// The longest range that hold() takes.
  std::uint64_t limit() const { return ring_.size() - ahead_.chunk_bytes; }

  /// Returns when the positions [begin, end) are in memory, at at(begin), until the next call, whose `begin` may not be
  /// smaller. Throws Error where a file cannot be read.
  void hold(std::uint64_t begin, std::uint64_t end);
  const std::byte* at(std::uint64_t position) const { return ring_.at(position); }

 private:
  struct File {
    std::shared_ptr<MappedFile> file;
    std::uint64_t first_chunk;
  };

  void read_chunks();
  void read(std::uint64_t chunk) const;
  bool has_work() const;

  ReadAhead ahead_;
  std::shared_ptr<LoadProgress> progress_;
  RingMemory ring_;
  std::vector<File> files_;

  std::mutex mutex_;
  std::condition_variable work_changed_;
  std::condition_variable chunk_done_;
  std::vector<bool> done_;        ///< of each chunk of all files
  std::vector<bool> busy_;        ///< of each place in the ring: it is being written
  std::uint64_t next_chunk_ = 0;  ///< to be read
  std::uint64_t first_held_ = 0;  ///< what lies before may be overwritten
  int reading_ = 0;               ///< threads that do
  std::chrono::steady_clock::time_point reading_since_;
  std::exception_ptr error_;
  bool stopping_ = false;

  std::vector<std::jthread> threads_;  // Last: they use all of the above.
};

}  // namespace gpuinfer::model
