// base/file: whole files, replaced in one step.
#include "base/file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.hpp"
#include "catch.hpp"
#include "temporary_folder.hpp"

using namespace gpuinfer;

TEST_CASE("a written file reads back, makes its folder, and leaves nothing beside it") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "a" / "b.txt";
  write_file(path, std::string_view("one\0two", 7), 0600);
  write_file(path, "three");
  CHECK(read_file(path) == "three");
  CHECK(std::distance(std::filesystem::directory_iterator(path.parent_path()), std::filesystem::directory_iterator()) ==
        1);
}

TEST_CASE("a secret file is readable by its owner only") {
  const TemporaryFolder folder;
  write_file(folder.path() / "key", "secret", 0600);
  struct stat status {};
  REQUIRE(stat((folder.path() / "key").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("what cannot be read is named together with the reason") {
  CHECK_THROWS_WITH(read_file("/no/such/file"), "cannot read /no/such/file: No such file or directory");
  CHECK_THROWS_WITH(read_file("/"), "cannot read /: Is a directory");
}

TEST_CASE("the cache directory follows XDG_CACHE_HOME, then HOME") {
  const std::string old_home = std::getenv("HOME") ? std::getenv("HOME") : "";
  const char* old_cache = std::getenv("XDG_CACHE_HOME");
  const std::string saved_cache = old_cache ? old_cache : "";
  setenv("XDG_CACHE_HOME", "/x", 1);
  CHECK(cache_directory() == "/x/gpuinfer");
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", "/h", 1);
  CHECK(cache_directory() == "/h/.cache/gpuinfer");
  unsetenv("HOME");
  CHECK_THROWS_AS(cache_directory(), Error);
  setenv("HOME", old_home.c_str(), 1);
  if (old_cache) setenv("XDG_CACHE_HOME", saved_cache.c_str(), 1);
}
