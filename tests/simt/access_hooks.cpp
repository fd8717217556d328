// What code compiled with -fsanitize=thread calls at each access to memory that others might see: here the kernels', in
// programs that are not linked with ThreadSanitizer's own runtime. The names are its interface to GCC.
#include <cstddef>

#include "simt/accesses.hpp"

using gpuinfer::simt::on_access;

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

void __tsan_read1(void* address) { on_access(address, 1, false); }
void __tsan_read2(void* address) { on_access(address, 2, false); }
void __tsan_read4(void* address) { on_access(address, 4, false); }
void __tsan_read8(void* address) { on_access(address, 8, false); }
void __tsan_read16(void* address) { on_access(address, 16, false); }
void __tsan_write1(void* address) { on_access(address, 1, true); }
void __tsan_write2(void* address) { on_access(address, 2, true); }
void __tsan_write4(void* address) { on_access(address, 4, true); }
void __tsan_write8(void* address) { on_access(address, 8, true); }
void __tsan_write16(void* address) { on_access(address, 16, true); }
void __tsan_unaligned_read2(void* address) { on_access(address, 2, false); }
void __tsan_unaligned_read4(void* address) { on_access(address, 4, false); }
void __tsan_unaligned_read8(void* address) { on_access(address, 8, false); }
void __tsan_unaligned_read16(void* address) { on_access(address, 16, false); }
void __tsan_unaligned_write2(void* address) { on_access(address, 2, true); }
void __tsan_unaligned_write4(void* address) { on_access(address, 4, true); }
void __tsan_unaligned_write8(void* address) { on_access(address, 8, true); }
void __tsan_unaligned_write16(void* address) { on_access(address, 16, true); }
void __tsan_read_range(void* address, std::size_t bytes) { on_access(address, bytes, false); }
void __tsan_write_range(void* address, std::size_t bytes) { on_access(address, bytes, true); }
void __tsan_vptr_update(void**, void*) {}

/// The guards of local statics: the host's.
unsigned char __tsan_atomic8_load(const volatile unsigned char* value, int) { return *value; }
}
