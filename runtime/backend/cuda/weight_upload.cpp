#include "runtime/backend/cuda/weight_upload.hpp"

#include <algorithm>
#include <array>

#include "runtime/backend/first_error.hpp"

namespace gpuinfer::backend::cuda {
namespace {

/// Of each of the two buffers: one is filled while the other is under way.
constexpr std::size_t kStagingBytes = std::size_t{16} << 20;

}  // namespace

DeviceArray<std::byte> WeightUpload::upload(ThreadPool& pool, Queue& queue) const {
  DeviceArray<std::byte> memory(bytes_);
  std::size_t staging_bytes = std::min(bytes_, kStagingBytes);
  for (const Array& array : arrays_) staging_bytes = std::max(staging_bytes, array.row_bytes);
  const PinnedArray<std::byte> first(staging_bytes);
  const PinnedArray<std::byte> second(staging_bytes);
  std::array staging = {first.span(), second.span()};

  for (const Array& array : arrays_) {
    array.place(memory.data() + array.offset);
    const auto rows_at_once = static_cast<std::int64_t>(staging_bytes / array.row_bytes);
    for (std::int64_t begin = 0; begin < array.rows; begin += rows_at_once) {
      const std::int64_t rows = std::min(rows_at_once, array.rows - begin);
      FirstError error;
      pool.parallel_for(rows, [&](std::int64_t row) {
        error.catch_in(
            [&] { array.fill(begin + row, staging[0].data() + static_cast<std::size_t>(row) * array.row_bytes); });
      });
      error.rethrow();
      queue.wait();  // The other buffer has arrived.
      queue.upload(memory.data() + array.offset + static_cast<std::size_t>(begin) * array.row_bytes,
                   staging[0].first(static_cast<std::size_t>(rows) * array.row_bytes));
      std::swap(staging[0], staging[1]);
    }
  }
  queue.wait();
  return memory;
}

}  // namespace gpuinfer::backend::cuda
