// A file's bytes however they come, and what happens when they do not come.
#include "runtime/model/mapped_file.hpp"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/error.hpp"
#include "catch.hpp"
#include "fixture_gguf.hpp"
#include "runtime/model/model.hpp"
#include "temporary_folder.hpp"
#include "tiny_model.hpp"

namespace gpuinfer::model {
namespace {

std::string contents(std::size_t size) {
  std::string bytes(size, 0);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 4096);
  return bytes;
}

bool begins_with(const MappedFile& file, std::string_view expected) {
  return std::ranges::equal(file.bytes().first(expected.size()), std::as_bytes(std::span(expected)));
}

TEST_CASE("a file is the same mapped and read, and a part of it can be fetched before the rest") {
  const TemporaryFolder folder;
  const std::string expected = contents(20'000'001);
  const auto path = folder.write("weights", expected);
  MappedFile mapped(path);
  mapped.fetch_all();
  CHECK(begins_with(mapped, expected));
  MappedFile read(path, MappedFile::Access::kRead);
  read.fetch(10);
  CHECK(begins_with(read, std::string_view(expected).substr(0, 10)));
  CHECK(read.bytes().back() == std::byte{0});
  read.fetch_all();
  CHECK(begins_with(read, expected));
  read.fetch_all();
}

TEST_CASE("a part of a file can be fetched, or read to somewhere else, without what lies before it") {
  const TemporaryFolder folder;
  const std::string expected = contents(20'000'001);
  const auto path = folder.write("weights", expected);
  for (const auto access : {MappedFile::Access::kRead, MappedFile::Access::kStreamed}) {
    MappedFile file(path, access);
    file.fetch(10);
    const std::span<const std::byte> part = file.bytes().subspan(15'000'000, 1000);
    file.fetch_part(part);
    CHECK(std::ranges::equal(part, std::as_bytes(std::span(expected)).subspan(15'000'000, 1000)));
    std::vector<std::byte> elsewhere(5000);
    file.read(expected.size() - 5000, elsewhere);
    CHECK(std::ranges::equal(elsewhere, std::as_bytes(std::span(expected)).last(5000)));
    CHECK_THROWS_WITH(file.read(expected.size() - 4999, elsewhere), Catch::Contains("became shorter"));
    file.fetch_all();
    CHECK(begins_with(file, expected));
  }
}

TEST_CASE("a file that became shorter is an error that names it, not the end of the process") {
  const TemporaryFolder folder;
  const auto path = folder.write("weights", contents(100'000));
  MappedFile mapped(path);
  MappedFile read(path, MappedFile::Access::kRead);
  std::filesystem::resize_file(path, 5000);
  const auto sum = [&] {
    unsigned total = 0;
    for (const std::byte byte : mapped.bytes()) total += std::to_integer<unsigned>(byte);
    return total;
  };
  mapped.check();
  const unsigned first = sum();
  CHECK_THROWS_WITH(mapped.check(), Catch::Contains("weights: a part of the file cannot be read"));
  CHECK(sum() <= first);
  CHECK_THROWS_WITH(read.fetch_all(), Catch::Contains("weights: became shorter while it was read"));

  // Others are not affected, and the place in the table is free again.
  const auto other = folder.write("other", contents(100'000));
  for (int i = 0; i < 2000; ++i) MappedFile(other).check();
}

TEST_CASE("what cannot be opened says why") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(MappedFile(folder.path() / "none"), Catch::Contains("none: cannot open: No such file"));
  CHECK_THROWS_WITH(MappedFile(folder.path()), Catch::Contains("not a regular file"));
  CHECK_THROWS_WITH(MappedFile(folder.write("empty", "")), Catch::Contains("empty"));
}

}  // namespace
}  // namespace gpuinfer::model
