// The end of a log file.
#include "plugin/log_tail.hpp"

#include <fstream>
#include <sstream>

#include "base/file.hpp"
#include "catch.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::plugin {

TEST_CASE("the last lines of a file") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "log";
  write_file(file, "one\ntwo\nthree\n");
  CHECK(last_lines(file, 0).empty());
  CHECK(last_lines(file, 1) == "three\n");
  CHECK(last_lines(file, 2) == "two\nthree\n");
  CHECK(last_lines(file, 9) == "one\ntwo\nthree\n");
  write_file(file, "\none");
  CHECK(last_lines(file, 1) == "one");
  CHECK(last_lines(file, 2) == "\none");
  write_file(file, "");
  CHECK(last_lines(file, 3).empty());
  CHECK(last_lines(folder.path() / "nowhere", 3).empty());
}

TEST_CASE("what is added while the writer lives is followed") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "log";
  write_file(file, "skipped\nold\n");
  std::ostringstream out;
  int rounds = 0;
  follow_file(file, 8, out, [&] {
    if (++rounds == 1) std::ofstream(file, std::ios::app) << "new\n";
    return rounds < 2;
  });
  CHECK(out.str() == "old\nnew\n");
}

}  // namespace gpuinfer::plugin
