// Memory for what is large and read all the time.
#pragma once

#include <cstddef>
#include <span>

namespace gpuinfer::backend {

/// Zeroed memory on huge pages where the system gives them: with 4 KiB pages, translating addresses costs a quarter of
/// the bandwidth. A page takes memory once it is touched.
class HugeBuffer {
 public:
  HugeBuffer() = default;
  /// Throws Error where the memory is not there.
  explicit HugeBuffer(std::size_t size);
  ~HugeBuffer();
  HugeBuffer(HugeBuffer&& other) noexcept;
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;

  std::span<std::byte> bytes() { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace gpuinfer::backend
