// mmap for local files, parallel pread for network file systems and for who asks for it.
#include "runtime/model/mapped_file.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace gpuinfer::model {
namespace {

/// Magic numbers that linux/magic.h lacks.
constexpr unsigned kLustreMagic = 0x0BD00BD0;
constexpr unsigned kCifsMagic = 0xFF534D42;

/// Enough outstanding requests to fill a network file system's bandwidth; each request large enough to amortise its
/// round trip.
constexpr std::size_t kReaders = 8;
constexpr std::size_t kReadBytes = std::size_t{8} << 20;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& doing, int error) {
  throw Error(path.string() + ": cannot " + doing + ": " + std::strerror(error),
              "Check that the file exists and that this user may read it.");
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

bool on_network(int fd) {
  struct statfs file_system {};
  if (::fstatfs(fd, &file_system) != 0) return false;
  switch (static_cast<unsigned>(file_system.f_type)) {
    case NFS_SUPER_MAGIC:
    case FUSE_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case CEPH_SUPER_MAGIC:
    case kCifsMagic:
    case kLustreMagic:
      return true;
    default:
      return false;
  }
}

/// What read_range() returns where the file ended early; errno values are positive.
constexpr int kEndedEarly = -1;

/// Fills `out` from `offset` on; returns 0, an errno value, or kEndedEarly.
int read_range(int fd, std::span<std::byte> out, std::size_t offset) {
  while (!out.empty()) {
    const ssize_t count = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return kEndedEarly;
    out = out.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::size_t>(count);
  }
  return 0;
}

/// Throws Error unless `result` of one of the functions around here is 0.
void check_read(const std::filesystem::path& path, int result) {
  if (result == kEndedEarly) throw Error(path.string() + ": became shorter while it was read", "Fetch the file again.");
  if (result != 0) fail(path, "read", result);
}

/// Several threads take the next kReadBytes of [begin, end) each until all is read; returns 0 or the first error.
int read_in_parallel(int fd, std::byte* data, std::size_t begin, std::size_t end) {
  std::atomic<std::size_t> next{begin};
  std::atomic<int> error{0};
  const auto reader = [&] {
    for (std::size_t offset = 0; error == 0 && (offset = next.fetch_add(kReadBytes)) < end;) {
      const std::size_t size = std::min(end - offset, kReadBytes);
      if (const int e = read_range(fd, {data + offset, size}, offset); e != 0) error = e;
    }
  };
  std::vector<std::jthread> readers;
  for (std::size_t i = 1; i < std::min(kReaders, (end - begin) / kReadBytes + 1); ++i) readers.emplace_back(reader);
  reader();
  readers.clear();
  return error;
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path, Access access) : path_(path) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail(path, "open", errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) fail(path, "read", errno);
  if (!S_ISREG(status.st_mode)) throw Error(path.string() + ": not a regular file");
  if (status.st_size == 0) throw Error(path.string() + ": the file is empty", "Fetch it again.");
  size_ = static_cast<std::size_t>(status.st_size);

  const bool mapped = access != Access::kRead && !on_network(fd.get());
  void* memory = mapped ? ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0)
                        : ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail(path, mapped ? "map" : "find memory for", errno);
  data_ = static_cast<std::byte*>(memory);
  if (mapped) {
    if (access != Access::kStreamed) ::madvise(memory, size_, MADV_WILLNEED);
    mapping_ = std::make_unique<WatchedMapping>(data_, size_);
  }
  fd_ = fd.release();
}

MappedFile::~MappedFile() {
  mapping_.reset();
  ::munmap(data_, size_);
  ::close(fd_);
}

void MappedFile::fetch(std::size_t end) {
  if (mapping_ != nullptr || end <= fetched_) return;
  // Never less than a whole read, so that a header is not fetched number by number.
  end = std::min(size_, std::max(end, fetched_ + kReadBytes));
  check_read(path_, read_in_parallel(fd_, data_, fetched_, end));
  fetched_ = end;
}

void MappedFile::fetch_part(std::span<const std::byte> part) {
  const auto begin = static_cast<std::size_t>(part.data() - data_);
  if (mapping_ == nullptr && begin + part.size() > fetched_) read(begin, {data_ + begin, part.size()});
}

void MappedFile::read(std::size_t offset, std::span<std::byte> out) const {
  check_read(path_, read_range(fd_, out, offset));
}

void MappedFile::check() const {
  if (mapping_ == nullptr || !mapping_->failed()) return;
  throw Error(path_.string() +
                  ": a part of the file cannot be read: the disk failed, or the file was cut short while it was in use",
              "Check the disk, fetch the file again, and start again.");
}

void MappedFile::release_pages() const {
  if (mapping_ != nullptr && !mapping_->failed()) ::madvise(data_, size_, MADV_DONTNEED);
}

}  // namespace gpuinfer::model
