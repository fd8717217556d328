// memfd, mapped twice.
#include "runtime/model/ring_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.hpp"

namespace gpuinfer::model {
namespace {

[[noreturn]] void fail(std::size_t size) {
  throw Error(
      "cannot find " + std::to_string(size >> 20) + " MiB of memory for reading weights: " + std::strerror(errno),
      "Give the process more memory.");
}

}  // namespace

RingMemory::RingMemory(std::size_t size) : size_(size) {
  const int fd = ::memfd_create("weights", MFD_CLOEXEC);
  if (fd < 0) fail(size);
  void* const both = ::mmap(nullptr, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  bool mapped = both != MAP_FAILED && ::ftruncate(fd, static_cast<off_t>(size)) == 0;
  for (std::size_t half = 0; half < 2 && mapped; ++half) {
    void* const place = static_cast<std::byte*>(both) + half * size;
    mapped = ::mmap(place, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == place;
  }
  const int error = errno;
  ::close(fd);
  if (mapped) {
    data_ = static_cast<std::byte*>(both);
    return;
  }
  if (both != MAP_FAILED) ::munmap(both, 2 * size);
  errno = error;
  fail(size);
}

RingMemory::~RingMemory() { ::munmap(data_, 2 * size_); }

}  // namespace gpuinfer::model
