// The bytes of a file, as one span: mapped where that is fast, read into memory where it is not.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace gpuinfer::model {

/// A file on a local disk is mapped read-only, so that weights are used in place and shared with the page cache. On a
/// network file system (NFS, FUSE, SMB, Lustre, Ceph) page faults would fetch a few KiB at a time, so the file is read
/// whole with several large positional reads at once.
class MappedFile {
 public:
  /// Throws Error naming the path and the system's reason.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Says that the bytes will not be needed soon: mapped pages leave this process' memory and come back from the page
  /// cache when they are touched. Nothing happens where the file was read.
  void release_pages() const;

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  bool mapped_ = false;
};

}  // namespace gpuinfer::model
