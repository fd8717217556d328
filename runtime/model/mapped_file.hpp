// The bytes of a file, as one span: mapped where that is fast, read into memory where it is not.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "runtime/model/bus_errors.hpp"

namespace gpuinfer::model {

/// A file on a local disk is mapped read-only, so that weights are used in place and shared with the page cache. On a
/// network file system (NFS, FUSE, SMB, Lustre, Ceph) page faults would fetch a few KiB at a time, so the file is read
/// with several large positional reads at once: its header first, so that a model that we cannot compute is refused
/// before its weights are read.
class MappedFile {
 public:
  enum class Access {
    kByFileSystem,
    kRead,      ///< as if the file were on a network
    kStreamed,  ///< by file system, for somebody who will read() most of it: nothing is brought in advance
  };

  /// Nothing can be relied on in bytes() yet. Throws Error naming the path and the system's reason.
  explicit MappedFile(const std::filesystem::path& path, Access access = Access::kByFileSystem);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  /// The whole file; what was not fetched may be zeros.
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Makes the bytes before `end` available; nothing happens where they are. Throws Error where they cannot be read.
  void fetch(std::size_t end);
  void fetch_all() { fetch(size_); }
  /// The same for a part of bytes(), without what lies before it.
  void fetch_part(std::span<const std::byte> part);

  /// Reads the bytes from `offset` on into `out`, which lies anywhere; on any thread. Throws Error where they cannot be
  /// read, or the file has become shorter.
  void read(std::size_t offset, std::span<std::byte> out) const;

  /// Throws Error where some of the bytes that were used so far could not be read: of a mapped file that shows only
  /// when they are touched. To be asked before results are given out; costs one load from memory.
  void check() const;

  /// Says that the bytes will not be needed soon: mapped pages leave this process' memory and come back from the page
  /// cache when they are touched. Nothing happens where the file was read.
  void release_pages() const;

 private:
  std::filesystem::path path_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  /// How many bytes were read, where the file is not mapped.
  std::size_t fetched_ = 0;
  int fd_ = -1;
  std::unique_ptr<WatchedMapping> mapping_;
};

}  // namespace gpuinfer::model
