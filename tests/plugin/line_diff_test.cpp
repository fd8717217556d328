// Unified diffs, checked by applying them with git.
#include "plugin/line_diff.hpp"

#include <random>

#include "base/file.hpp"
#include "catch.hpp"
#include "plugin/process.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::plugin {

TEST_CASE("equal texts have no diff") { CHECK(unified_diff("a\nb\n", "a\nb\n", "x", "y").empty()); }

TEST_CASE("a change shows three lines around it") {
  CHECK(unified_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", "old", "new") ==
        "--- old\n+++ new\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
  CHECK(unified_diff("", "a\n", "old", "new") == "--- old\n+++ new\n@@ -0,0 +1,1 @@\n+a\n");
}

TEST_CASE("git makes the new text out of the old one and our diff") {
  const TemporaryFolder folder;
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::string before;
    std::string after;
    for (int line = 0; line < 40; ++line) {
      const std::string text = std::to_string(random() % 12) + "\n";
      if (random() % 8 != 0) before += text;
      if (random() % 8 != 0) after += text;
    }
    const std::string diff = unified_diff(before, after, "text", "text");
    write_file(folder.path() / "text", before);
    write_file(folder.path() / "diff", diff);
    if (!diff.empty()) {
      const ProgramResult patched =
          run_program({"git", "-C", folder.path().string(), "apply", "-p0", "--unsafe-paths", "diff"});
      INFO(patched.output << diff);
      REQUIRE(patched.exit_code == 0);
    }
    CHECK(read_file(folder.path() / "text") == after);
  }
}

}  // namespace gpuinfer::plugin
