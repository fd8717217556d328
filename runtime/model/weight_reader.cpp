// Threads that take the next chunk each, as long as the ring has room.
#include "runtime/model/weight_reader.hpp"

#include <algorithm>
#include <utility>

namespace gpuinfer::model {
namespace {

using Clock = std::chrono::steady_clock;

void add(std::atomic<LoadProgress::Duration>& sum, LoadProgress::Duration duration) { sum = sum.load() + duration; }

}  // namespace

WeightReader::WeightReader(std::vector<std::shared_ptr<MappedFile>> files, std::shared_ptr<LoadProgress> progress,
                           const ReadAhead& ahead)
    : ahead_(ahead), progress_(std::move(progress)), ring_(ahead.chunk_bytes * ahead.chunks) {
  std::uint64_t chunks = 0;
  for (std::shared_ptr<MappedFile>& file : files) {
    const std::size_t size = file->bytes().size();
    files_.push_back({std::move(file), chunks});
    chunks += (size + ahead_.chunk_bytes - 1) / ahead_.chunk_bytes;
  }
  done_.resize(chunks);
  busy_.resize(ahead_.chunks);
  for (int i = 0; i < ahead_.threads; ++i) threads_.emplace_back([this] { read_chunks(); });
}

WeightReader::~WeightReader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_changed_.notify_all();
}

std::optional<std::uint64_t> WeightReader::position(const std::byte* byte) const {
  for (const auto& [file, first_chunk] : files_) {
    const std::span<const std::byte> bytes = file->bytes();
    if (byte < bytes.data() || byte >= bytes.data() + bytes.size()) continue;
    return first_chunk * ahead_.chunk_bytes + static_cast<std::uint64_t>(byte - bytes.data());
  }
  return std::nullopt;
}

void WeightReader::hold(std::uint64_t begin, std::uint64_t end) {
  std::unique_lock lock(mutex_);
  first_held_ = begin / ahead_.chunk_bytes;
  next_chunk_ = std::max(next_chunk_, first_held_);
  work_changed_.notify_all();
  const auto last = done_.begin() + static_cast<std::ptrdiff_t>((end + ahead_.chunk_bytes - 1) / ahead_.chunk_bytes);
  const auto is_there = [&] {
    return std::find(done_.begin() + static_cast<std::ptrdiff_t>(first_held_), last, false) == last;
  };
  const Clock::time_point start = Clock::now();
  chunk_done_.wait(lock, [&] { return error_ != nullptr || is_there(); });
  add(progress_->waiting, Clock::now() - start);
  if (error_ != nullptr) std::rethrow_exception(error_);
}

bool WeightReader::has_work() const {
  return next_chunk_ < std::min<std::uint64_t>(done_.size(), first_held_ + ahead_.chunks) &&
         !busy_[next_chunk_ % ahead_.chunks];
}

void WeightReader::read_chunks() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_changed_.wait(lock, [this] { return stopping_ || error_ != nullptr || has_work(); });
    if (stopping_ || error_ != nullptr) return;
    const std::uint64_t chunk = next_chunk_++;
    busy_[chunk % ahead_.chunks] = true;
    if (reading_++ == 0) reading_since_ = Clock::now();
    lock.unlock();
    std::exception_ptr error;
    try {
      read(chunk);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (--reading_ == 0) add(progress_->reading, Clock::now() - reading_since_);
    busy_[chunk % ahead_.chunks] = false;
    done_[chunk] = error == nullptr;
    if (error != nullptr) error_ = error;
    work_changed_.notify_all();
    chunk_done_.notify_all();
  }
}

void WeightReader::read(std::uint64_t chunk) const {
  const auto behind = std::ranges::upper_bound(files_, chunk, {}, &File::first_chunk);
  const auto& [file, first_chunk] = *std::prev(behind);
  const std::size_t offset = (chunk - first_chunk) * ahead_.chunk_bytes;
  const std::size_t size = std::min(ahead_.chunk_bytes, file->bytes().size() - offset);
  file->read(offset, {ring_.at(chunk * ahead_.chunk_bytes), size});
  progress_->read_bytes += static_cast<std::int64_t>(size);
}

}  // namespace gpuinfer::model
