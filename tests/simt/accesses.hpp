// The accesses to memory that running kernels are seen to make.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simt/fiber.hpp"

namespace gpuinfer::simt {

/// The thread of a kernel that runs; null: none does, or races are not looked for.
inline const Fiber* watched_thread = nullptr;

/// No memory of a GPU begins before. What the harness keeps of the running threads does.
inline const void* first_memory = reinterpret_cast<const void*>(~std::uintptr_t{0});

/// Ends the watched thread where its access races with another one.
void check_access(const void* address, std::size_t bytes, bool is_write);

/// Of any thread and to any memory: most are to the stack of a kernel's.
inline void on_access(const void* address, std::size_t bytes, bool is_write) {
  if (watched_thread == nullptr || address < first_memory || watched_thread->owns(address)) return;
  check_access(address, bytes, is_write);
}

/// Whether the kernels of this program are compiled so that their accesses are seen: by GCC, without a sanitizer.
bool sees_accesses();

/// Whether races are looked for in what is launched from now on.
void watch_accesses(bool watch);

}  // namespace gpuinfer::simt
