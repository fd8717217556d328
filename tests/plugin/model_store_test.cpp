// What counts as a pulled model, and what a pull that cannot work says.
#include "plugin/model_store.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "catch.hpp"
#include "environment_variable.hpp"
#include "plugin/sha256.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::plugin {

namespace {

Model pypi_model() {
  Model model;
  model.name = "m";
  model.source =
      PypiSource{.package = "no-such-package", .version = "1", .file = "a/w.gguf", .bytes = 3, .sha256 = "00"};
  return model;
}

}  // namespace

TEST_CASE("a complete file is a pulled model, a part of it is not") {
  const TemporaryFolder root;
  const Model model = pypi_model();
  CHECK_FALSE(is_pulled(root.path(), model));
  write_file(root.path() / "m" / "w.gguf", "ab");
  CHECK_FALSE(is_pulled(root.path(), model));
  write_file(root.path() / "m" / "w.gguf", "abc");
  CHECK(is_pulled(root.path(), model));
  Progress progress;
  CHECK(pull_model(root.path(), model, progress) == root.path() / "m");
}

TEST_CASE("a model on the hub says how to fetch it, and is found once it is there") {
  const TemporaryFolder root;
  const Model& model = find_model("openai/gpt-oss-20b");
  Progress progress;
  try {
    pull_model(root.path(), model, progress);
    FAIL("pulled");
  } catch (const Error& error) {
    CHECK(error.remedy().find("hf download openai/gpt-oss-20b --revision 6cee5e81") != std::string::npos);
  }
  CHECK(std::filesystem::is_empty(root.path()));
  write_file(root.path() / "openai" / "gpt-oss-20b" / "config.json", "{}");
  CHECK(pull_model(root.path(), model, progress) == root.path() / "openai" / "gpt-oss-20b");
}

TEST_CASE("a pull that fails leaves nothing behind") {
  const TemporaryFolder root;
  const TemporaryFolder programs;
  // A python3 that says no, so that no test needs a network.
  write_file(programs.path() / "python3", "#!/bin/sh\necho no network >&2\nexit 1\n", 0755);
  const EnvironmentVariable path("PATH", programs.path().string() + ":/usr/bin:/bin");
  Progress progress;
  try {
    pull_model(root.path(), pypi_model(), progress);
    FAIL("pulled");
  } catch (const Error& error) {
    CHECK(std::string(error.what()) == "pip could not download no-such-package==1: no network");
  }
  CHECK(std::filesystem::is_empty(root.path()));
}

TEST_CASE("SHA-256 of a file (FIPS 180-2, appendix B.1)") {
  const TemporaryFolder folder;
  write_file(folder.path() / "abc", "abc");
  CHECK(sha256_of_file(folder.path() / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK_THROWS_AS(sha256_of_file(folder.path() / "nowhere"), Error);
}

}  // namespace gpuinfer::plugin
