// Bringing a model's weights to one GPU or several: all arrays of one in one allocation, read and converted on the
// host's threads while what is done is under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/backend/cpu/thread_pool.hpp"
#include "runtime/backend/cuda/device.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::backend::cuda {

/// What rows of an array are made from: the bytes of a file, as its Tensor shows them.
struct RowSource {
  /// The bytes that a row needs lie in this span; on any thread.
  std::function<std::span<const std::byte>(std::int64_t row)> bytes;
  /// Of these, those that no other row needs; 0: all.
  std::int64_t own_bytes = 0;
  /// How much may lie between those of two rows that are read together, because other GPUs need it or it is little.
  std::ptrdiff_t gap_bytes = 4096;
};

/// Bytes where they were read to: those that `source` shows at p are at p + offset.
class ShiftedBytes {
 public:
  explicit ShiftedBytes(std::ptrdiff_t offset = 0) : offset_(offset) {}
  model::Tensor operator()(model::Tensor tensor) const {
    if (!tensor.bytes.empty()) tensor.bytes = {tensor.bytes.data() + offset_, tensor.bytes.size()};
    if (!tensor.scales.empty()) tensor.scales = {tensor.scales.data() + offset_, tensor.scales.size()};
    return tensor;
  }

 private:
  std::ptrdiff_t offset_;
};

/// First every array is announced, those of one GPU after those of the other, so that bytes() is known before any is
/// read; then upload() brings them, in the order in which they lie in the model's files.
class WeightUpload {
 public:
  /// Where the arrays of a GPU go.
  struct Target {
    std::byte* memory = nullptr;  ///< bytes() of it
    Queue* queue = nullptr;
  };

  /// What is announced from now on is for the next GPU.
  void begin_next_gpu() { bytes_.push_back(0); }

  /// Fills `out`, rows [begin, end) of the array, with what is made of the tensors that it shifts. On any thread.
  template <typename T>
  using Fill = std::function<void(std::int64_t begin, std::int64_t end, std::span<T> out, const ShiftedBytes& shifted)>;

  /// `place` will point to `rows` rows of `columns` elements on the GPU. It is kept until upload().
  template <typename T>
  void add(const T*& place, std::int64_t rows, std::int64_t columns, RowSource source, Fill<T> fill) {
    bytes_.back() = (bytes_.back() + kAlignment - 1) / kAlignment * kAlignment;
    add_behind<T>(rows, columns, std::move(source), std::move(fill));
    arrays_.back().place = [&place](const std::byte* address) { place = reinterpret_cast<const T*>(address); };
  }

  /// The same, right behind what was added last.
  template <typename T>
  void add_behind(std::int64_t rows, std::int64_t columns, RowSource source, Fill<T> fill) {
    const auto row_bytes = static_cast<std::size_t>(columns) * sizeof(T);
    auto fill_bytes = [fill = std::move(fill)](std::int64_t begin, std::int64_t end, std::span<std::byte> out,
                                               const ShiftedBytes& shifted) {
      fill(begin, end, {reinterpret_cast<T*>(out.data()), out.size() / sizeof(T)}, shifted);
    };
    arrays_.push_back({.gpu = bytes_.size() - 1,
                       .rows = rows,
                       .row_bytes = row_bytes,
                       .offset = bytes_.back(),
                       .source = std::move(source),
                       .fill = std::move(fill_bytes),
                       .place = {}});
    bytes_.back() += static_cast<std::size_t>(rows) * row_bytes;
  }

  /// That the arrays of the last GPU take.
  std::size_t bytes() const { return bytes_.back(); }

  /// Fills the memory of each GPU, which the places point into afterwards. Tells model.progress. Throws what a fill
  /// throws, and Error where a file cannot be read.
  void upload(const model::Model& model, ThreadPool& pool, std::span<const Target> targets) const;

 private:
  static constexpr std::size_t kAlignment = 256;

  struct Array {
    std::size_t gpu;
    std::int64_t rows;
    std::size_t row_bytes;
    std::size_t offset;
    RowSource source;
    Fill<std::byte> fill;
    std::function<void(const std::byte*)> place;
  };

  /// Rows that lie one behind the other in a file.
  struct Run {
    const Array* array;
    std::int64_t begin, end;
    std::span<const std::byte> source;
    std::int64_t file_bytes = 0;
    /// Where the source stands in the reader's order: [first, last); nothing is read where both are 0.
    std::uint64_t first = 0, last = 0;

    std::size_t bytes() const { return static_cast<std::size_t>(end - begin) * array->row_bytes; }
    std::size_t offset() const { return array->offset + static_cast<std::size_t>(begin) * array->row_bytes; }
  };

  std::vector<Run> runs(const model::Model& model) const;

  std::vector<Array> arrays_;
  std::vector<std::size_t> bytes_ = {0};  ///< of each GPU
};

}  // namespace gpuinfer::backend::cuda
