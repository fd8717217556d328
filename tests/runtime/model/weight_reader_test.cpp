// Files that pass through a ring of memory.
#include "runtime/model/weight_reader.hpp"

#include <algorithm>
#include <filesystem>

#include "base/error.hpp"
#include "broken_file.hpp"
#include "catch.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::model {
namespace {

constexpr std::size_t kChunk = 4096;

std::string contents(std::size_t size, char first) {
  std::string bytes(size, 0);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(first + i * 31 + i / 4096);
  return bytes;
}

struct Files {
  Files() {
    for (const std::size_t size : {3 * kChunk, 100 * kChunk + 17, std::size_t{5}}) {
      expected.push_back(contents(size, static_cast<char>('a' + files.size())));
      paths.push_back(folder.write(std::to_string(files.size()), expected.back()));
      files.push_back(std::make_shared<MappedFile>(paths.back(), MappedFile::Access::kRead));
    }
  }
  WeightReader reader(ReadAhead ahead = {.chunk_bytes = kChunk, .chunks = 8, .threads = 3}) const {
    return {files, progress, ahead};
  }
  std::uint64_t position(const WeightReader& reader, std::size_t file, std::size_t offset) const {
    return reader.position(files[file]->bytes().data() + offset).value();
  }
  /// Holds `size` bytes of a file.
  bool holds(WeightReader& reader, std::size_t file, std::size_t offset, std::size_t size) const {
    const std::uint64_t begin = position(reader, file, offset);
    reader.hold(begin, begin + size);
    const std::string_view there(reinterpret_cast<const char*>(reader.at(begin)), size);
    return there == std::string_view(expected[file]).substr(offset, size);
  }

  TemporaryFolder folder;
  std::vector<std::string> expected;
  std::vector<std::filesystem::path> paths;
  std::vector<std::shared_ptr<MappedFile>> files;
  std::shared_ptr<LoadProgress> progress = std::make_shared<LoadProgress>();
};

TEST_CASE("ranges come in one piece wherever they begin, over the end of the ring and in the next file") {
  const Files files;
  for (const int threads : {1, 3, 8}) {
    WeightReader reader = files.reader({.chunk_bytes = kChunk, .chunks = 8, .threads = threads});
    REQUIRE(reader.limit() == 7 * kChunk);
    CHECK(files.holds(reader, 0, 0, 3 * kChunk));
    for (std::size_t offset = 0; offset + 6000 < files.expected[1].size(); offset += 2999) {
      CHECK(files.holds(reader, 1, offset, 6000));
    }
    CHECK(files.holds(reader, 1, 93 * kChunk + 17, 7 * kChunk));
    CHECK(files.holds(reader, 2, 0, 5));
    CHECK(files.holds(reader, 2, 0, 5));
  }
}

TEST_CASE("what is not needed is skipped") {
  const Files files;
  for (int i = 0; i < 50; ++i) {
    WeightReader reader = files.reader();
    CHECK(files.holds(reader, 1, 5000, 100));
    CHECK(files.holds(reader, 1, 90 * kChunk + 5, 3 * kChunk));
    CHECK(files.holds(reader, 2, 1, 4));
  }
}

TEST_CASE("it reads ahead before it is asked, as much as the ring holds, and ends when nobody wants more") {
  const Files files;
  {
    const WeightReader reader = files.reader();
    while (files.progress->read_bytes != 8 * kChunk) std::this_thread::yield();
  }
  CHECK(files.progress->read_bytes == 8 * kChunk);
  CHECK(files.progress->reading.load() > LoadProgress::Duration::zero());
}

TEST_CASE("memory that belongs to no file has no position") {
  const Files files;
  const WeightReader reader = files.reader();
  const std::byte other{};
  CHECK_FALSE(reader.position(&other));
  CHECK_FALSE(reader.position(nullptr));
  CHECK(files.position(reader, 1, 0) == 3 * kChunk);
  CHECK(files.position(reader, 2, 0) == 104 * kChunk);
}

TEST_CASE("a file that ends early and a read that fails are errors that name the file, for every later range too") {
  const Files files;
  bool breaks = GENERATE(false, true);
  if (breaks) {
    break_open_file(files.paths[1]);
  } else {
    std::filesystem::resize_file(files.paths[1], 50 * kChunk);
  }
  WeightReader reader = files.reader();
  const auto hold_all = [&] {
    for (std::size_t chunk = 0; chunk < 100; ++chunk) {
      const std::uint64_t begin = files.position(reader, 1, chunk * kChunk);
      reader.hold(begin, begin + kChunk);
    }
  };
  const std::string expected = breaks ? "/1: cannot read: Is a directory" : "/1: became shorter while it was read";
  CHECK_THROWS_WITH(hold_all(), Catch::Contains(expected));
  CHECK_THROWS_WITH(files.holds(reader, 2, 0, 5), Catch::Contains(expected));
}

}  // namespace
}  // namespace gpuinfer::model
