#include "runtime/backend/cuda/weight_upload.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <tuple>

#include "runtime/backend/first_error.hpp"

namespace gpuinfer::backend::cuda {
namespace {

/// Of each of the two buffers: one is filled while the other is under way.
constexpr std::size_t kStagingBytes = std::size_t{32} << 20;
/// Of a run: enough of them for all threads, and each long enough for a copy across PCIe.
constexpr std::size_t kRunBytes = std::size_t{512} << 10;

/// True where `next` goes on behind `bytes`, at most `gap_bytes` later.
bool follows(std::span<const std::byte> bytes, std::span<const std::byte> next, std::ptrdiff_t gap_bytes) {
  const auto gap = next.data() - (bytes.data() + bytes.size());
  return next.data() >= bytes.data() && gap <= gap_bytes;
}

std::span<const std::byte> join(std::span<const std::byte> bytes, std::span<const std::byte> next) {
  return {bytes.data(), std::max(bytes.data() + bytes.size(), next.data() + next.size())};
}

void wait(std::span<const WeightUpload::Target> targets) {
  for (const WeightUpload::Target& target : targets) target.queue->wait();
}

/// Copies must not outlive the memory that they are made from, whatever is thrown meanwhile.
class WaitAtEnd {
 public:
  explicit WaitAtEnd(std::span<const WeightUpload::Target> targets) : targets_(targets) {}
  ~WaitAtEnd() {
    try {
      wait(targets_);
    } catch (const Error&) {
      // What is thrown already says more.
    }
  }
  WaitAtEnd(const WaitAtEnd&) = delete;
  WaitAtEnd& operator=(const WaitAtEnd&) = delete;

 private:
  std::span<const WeightUpload::Target> targets_;
};

}  // namespace

std::vector<WeightUpload::Run> WeightUpload::runs(const model::Model& model) const {
  std::vector<Run> runs;
  for (const Array& array : arrays_) {
    const auto most_rows = static_cast<std::int64_t>(std::max<std::size_t>(1, kRunBytes / array.row_bytes));
    Run run{.array = &array, .begin = 0, .end = 0, .source = {}};
    for (std::int64_t row = 0; row < array.rows; ++row) {
      const std::span<const std::byte> source =
          array.source.bytes ? array.source.bytes(row) : std::span<const std::byte>{};
      if (run.end > run.begin && run.end - run.begin < most_rows &&
          follows(run.source, source, array.source.gap_bytes)) {
        run.source = join(run.source, source);
      } else {
        if (run.end > run.begin) runs.push_back(run);
        run = {.array = &array, .begin = row, .end = row, .source = source};
      }
      ++run.end;
      run.file_bytes += array.source.own_bytes > 0 ? array.source.own_bytes : std::ssize(source);
    }
    if (run.end > run.begin) runs.push_back(run);
  }
  // What several GPUs get is read once, and counted once.
  std::map<const std::byte*, std::size_t> first_gpus;
  for (Run& run : runs) {
    if (first_gpus.try_emplace(run.source.data(), run.array->gpu).first->second != run.array->gpu) run.file_bytes = 0;
  }
  if (model.reader != nullptr) {
    for (Run& run : runs) {
      const auto position = model.reader->position(run.source.data());
      if (!position) continue;
      if (run.source.size() > model.reader->limit()) {
        fetch(model, run.source);
        continue;
      }
      run.first = *position;
      run.last = *position + run.source.size();
    }
  }
  std::ranges::stable_sort(runs, {}, [](const Run& run) { return std::tuple(run.first, run.source.data()); });
  return runs;
}

void WeightUpload::upload(const model::Model& model, ThreadPool& pool, std::span<const Target> targets) const {
  std::size_t staging_bytes = std::min(std::accumulate(bytes_.begin(), bytes_.end(), std::size_t{0}), kStagingBytes);
  for (const Array& array : arrays_) {
    if (array.place) array.place(targets[array.gpu].memory + array.offset);
    staging_bytes = std::max(staging_bytes, array.row_bytes);
  }
  const PinnedArray<std::byte> first(staging_bytes);
  const PinnedArray<std::byte> second(staging_bytes);
  std::array staging = {first.span(), second.span()};
  const WaitAtEnd wait_at_end(targets);

  const std::vector<Run> all = runs(model);
  model.progress->total_bytes = std::accumulate(all.begin(), all.end(), std::int64_t{0},
                                                [](std::int64_t sum, const Run& run) { return sum + run.file_bytes; });
  for (auto next = all.begin(); next != all.end();) {
    // As many runs as fit into the buffer, and into the ring that they are read into.
    const auto begin = next;
    std::vector<std::span<std::byte>> places;
    std::size_t used = 0;
    std::uint64_t last = 0;
    for (; next != all.end() && used + next->bytes() <= staging_bytes; ++next) {
      const std::uint64_t end = std::max(last, next->last);
      if (model.reader != nullptr && end - begin->first > model.reader->limit()) break;
      last = end;
      places.push_back(staging[0].subspan(used, next->bytes()));
      used += next->bytes();
    }
    if (last > 0) model.reader->hold(begin->first, last);

    FirstError error;
    pool.parallel_for(std::ssize(places), [&](std::int64_t index) {
      error.catch_in([&] {
        const Run& run = begin[index];
        const ShiftedBytes shifted(run.last == 0 ? 0 : model.reader->at(run.first) - run.source.data());
        run.array->fill(run.begin, run.end, places[static_cast<std::size_t>(index)], shifted);
      });
    });
    error.rethrow();
    wait(targets);  // The other buffer has arrived.
    for (auto run = begin; run != next;) {
      const std::span<std::byte> from = places[static_cast<std::size_t>(run - begin)];
      const Target& target = targets[run->array->gpu];
      std::byte* const to = target.memory + run->offset();
      std::size_t size = 0;
      for (; run != next && targets[run->array->gpu].memory + run->offset() == to + size; ++run) {
        size += run->bytes();
        model.progress->loaded_bytes += run->file_bytes;
      }
      target.queue->upload(to, {from.data(), size});
    }
    std::swap(staging[0], staging[1]);
  }
  wait(targets);
}

}  // namespace gpuinfer::backend::cuda
