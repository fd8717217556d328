// Memory that ends where the page behind it cannot be touched.
#pragma once

#include <cstddef>
#include <set>

namespace gpuinfer::simt {

/// Aligned to 16 bytes, as a GPU's allocations are at least. All bits are one at first: floats are NaN, integers -1. An
/// access behind the end, or more than a page before the beginning, is a segmentation fault; where the size is no
/// multiple of 16, what lies between the end and the page is poison too.
class GuardedMemory {
 public:
  /// Of one block after the other, or of all.
  explicit GuardedMemory(std::size_t bytes, bool of_block = false);
  ~GuardedMemory();
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

  /// Sets all bits to one.
  void poison();
  /// A write is a segmentation fault from now on.
  void make_read_only();
  /// Any access to its first megabyte is, until it may be accessed again. (All of it would take longer than most
  /// kernels.)
  void set_accessible(bool accessible);
  /// All that there is at present.
  static const std::set<GuardedMemory*>& all();
  bool contains(const void* address) const;

  /// Throws Failure where something was written just before or behind the data.
  void check_borders() const;

 private:
  friend class ForbiddenMemory;
  int protection() const;

  std::size_t size_;
  std::size_t mapped_bytes_;
  std::byte* mapping_;
  std::byte* data_;
  bool read_only_ = false;
  bool closed_ = false;  ///< not accessible
};

/// No memory that there is can be touched for as long as it lives, by the thread that made it; then it can again, but
/// what is not accessible stays so.
class ForbiddenMemory {
 public:
  ForbiddenMemory();
  ~ForbiddenMemory();
  ForbiddenMemory(const ForbiddenMemory&) = delete;
  ForbiddenMemory& operator=(const ForbiddenMemory&) = delete;

  /// In a signal handler, which Linux begins with all keys locked: leaves no memory forbidden.
  static void allow_all();
};

}  // namespace gpuinfer::simt
