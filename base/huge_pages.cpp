#include "base/huge_pages.hpp"

#include <sys/mman.h>

#include <cstdint>

namespace gpuinfer {

void prefer_huge_pages(void* memory, std::size_t size) {
  constexpr std::uintptr_t kPageBytes = 4096;
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t first_page = (begin + kPageBytes - 1) / kPageBytes * kPageBytes;
  if (size < kHugePageBytes || first_page >= begin + size) return;
  ::madvise(reinterpret_cast<void*>(first_page), begin + size - first_page, MADV_HUGEPAGE);
}

}  // namespace gpuinfer
