// Memory on huge pages, where the system gives them.
#pragma once

#include <cstddef>
#include <new>

namespace gpuinfer {

inline constexpr std::size_t kHugePageBytes = 2 << 20;

/// Asks for huge pages within [memory, memory + size): a page fault then brings 512 times as much, and reading at
/// random waits less often for the translation of an address. The system may decline.
void prefer_huge_pages(void* memory, std::size_t size);

/// Large arrays lie on huge pages. Elements that are not given a value are default-initialised: memory that is about to
/// be overwritten is not zeroed first.
template <class T>
struct HugePageAllocator {
  using value_type = T;

  HugePageAllocator() = default;
  template <class U>
  explicit(false) HugePageAllocator(const HugePageAllocator<U>&) {}

  T* allocate(std::size_t count) {
    void* memory = ::operator new(count * sizeof(T), alignment(count));
    prefer_huge_pages(memory, count * sizeof(T));
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t count) { ::operator delete(memory, alignment(count)); }

  template <class U>
  void construct(U* place) {
    ::new (static_cast<void*>(place)) U;
  }
  template <class U, class... Arguments>
  void construct(U* place, Arguments&&... arguments) {
    ::new (static_cast<void*>(place)) U(static_cast<Arguments&&>(arguments)...);
  }

  friend bool operator==(const HugePageAllocator&, const HugePageAllocator&) { return true; }

 private:
  static std::align_val_t alignment(std::size_t count) {
    return std::align_val_t(count * sizeof(T) < kHugePageBytes ? alignof(std::max_align_t) : kHugePageBytes);
  }
};

}  // namespace gpuinfer
