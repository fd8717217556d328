// Guard pages by mmap and mprotect.
#include "simt/guarded_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "simt/failure.hpp"
#include "simt/races.hpp"

namespace gpuinfer::simt {
namespace {

constexpr std::size_t kAlignment = 16;
constexpr std::byte kPoison{0xFF};
constexpr std::size_t kClosedBytes = std::size_t{1} << 20;

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

std::set<GuardedMemory*>& present() {
  static std::set<GuardedMemory*> memory;
  return memory;
}

/// Of the CPU, for all memory at once: to lock it takes an instruction, where mprotect() of every piece, at every
/// launch, took a quarter of the time of a test of whole forward passes. -1 where the CPU has no such keys.
int protection_key() {
  static const int key = pkey_alloc(0, 0);
  return key;
}

std::size_t round_up(std::size_t bytes, std::size_t multiple) { return (bytes + multiple - 1) / multiple * multiple; }

}  // namespace

GuardedMemory::GuardedMemory(std::size_t bytes, bool of_block) : size_(bytes) {
  const std::size_t usable = round_up(size_, page_bytes()) + page_bytes();
  mapped_bytes_ = usable + page_bytes();
  void* mapping = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  mapping_ = static_cast<std::byte*>(mapping);
  data_ = mapping_ + usable - round_up(size_, kAlignment);
  pkey_mprotect(mapping_, usable, PROT_READ | PROT_WRITE, protection_key());
  mprotect(mapping_ + usable, page_bytes(), PROT_NONE);
  std::fill(mapping_, mapping_ + usable, kPoison);
  present().insert(this);
  Races::all().watch(data_, size_, of_block);
}

GuardedMemory::~GuardedMemory() {
  present().erase(this);
  Races::all().forget(data_);
  munmap(mapping_, mapped_bytes_);
}

void GuardedMemory::poison() { std::fill_n(data_, size_, kPoison); }

void GuardedMemory::make_read_only() {
  read_only_ = true;
  Races::all().forget(data_);  // Reads do not race with each other.
  mprotect(mapping_, mapped_bytes_ - page_bytes(), protection());
}

int GuardedMemory::protection() const { return read_only_ ? PROT_READ : PROT_READ | PROT_WRITE; }

const std::set<GuardedMemory*>& GuardedMemory::all() { return present(); }

bool GuardedMemory::contains(const void* address) const { return address >= data_ && address < data_ + size_; }

ForbiddenMemory::ForbiddenMemory() {
  if (protection_key() >= 0) {
    pkey_set(protection_key(), PKEY_DISABLE_ACCESS);
    return;
  }
  for (const GuardedMemory* const memory : present()) {
    if (!memory->closed_) mprotect(memory->mapping_, memory->mapped_bytes_ - page_bytes(), PROT_NONE);
  }
}

ForbiddenMemory::~ForbiddenMemory() { allow_all(); }

void ForbiddenMemory::allow_all() {
  if (protection_key() >= 0) {
    pkey_set(protection_key(), 0);
    return;
  }
  for (const GuardedMemory* const memory : present()) {
    if (!memory->closed_) mprotect(memory->mapping_, memory->mapped_bytes_ - page_bytes(), memory->protection());
  }
}

void GuardedMemory::set_accessible(bool accessible) {
  closed_ = !accessible;
  const std::size_t from =
      page_bytes() * static_cast<std::size_t>((data_ - mapping_) / static_cast<std::ptrdiff_t>(page_bytes()));
  const std::size_t bytes = std::min(kClosedBytes, mapped_bytes_ - page_bytes() - from);
  mprotect(mapping_ + from, bytes, accessible ? PROT_READ | PROT_WRITE : PROT_NONE);
}

void GuardedMemory::check_borders() const {
  const auto is_poison = [](std::byte byte) { return byte == kPoison; };
  if (!std::all_of(mapping_, data_, is_poison)) throw Failure("something was written before the beginning of a buffer");
  if (!std::all_of(data_ + size_, mapping_ + mapped_bytes_ - page_bytes(), is_poison)) {
    throw Failure("something was written behind the end of a buffer");
  }
}

}  // namespace gpuinfer::simt
