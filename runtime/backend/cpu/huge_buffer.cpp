// mmap with transparent huge pages.
#include "runtime/backend/cpu/huge_buffer.hpp"

#include <sys/mman.h>

#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/huge_pages.hpp"

namespace gpuinfer::backend {

HugeBuffer::HugeBuffer(std::size_t size) : size_(size) {
  if (size == 0) return;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw Error("cannot find " + std::to_string(size >> 20) + " MiB of memory",
                "Give the process more memory, or choose a smaller model or KV cache.");
  }
  data_ = static_cast<std::byte*>(memory);
  prefer_huge_pages(memory, size);
}

HugeBuffer::~HugeBuffer() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

HugeBuffer::HugeBuffer(HugeBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace gpuinfer::backend
