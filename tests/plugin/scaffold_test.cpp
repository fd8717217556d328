// The files of `scaffold`: golden copies in testdata/scaffold, whose version and image tag are those of the build.
#include "plugin/scaffold.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/version.hpp"
#include "catch.hpp"
#include "plugin/model_manifests.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::plugin {

namespace {

std::vector<manifests::ManifestFile> files_for(const std::string& model, const std::string& namespace_name) {
  return scaffold_files(model_deployment(find_model(model), {}, namespace_name));
}

/// `text` with this build's version as the golden files write it.
std::string without_version(std::string text) {
  const std::string version = std::string(":") + kVersion;
  for (std::size_t at; (at = text.find(version)) != std::string::npos;) text.replace(at, version.size(), ":VERSION");
  return text;
}

}  // namespace

TEST_CASE("scaffold writes what the golden files say") {
  const std::filesystem::path golden = "plugin/testdata/scaffold";
  const auto files = files_for("smollm2-135m", "models");
  std::size_t expected = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden)) expected += entry.is_regular_file();
  CHECK(files.size() == expected);
  for (const manifests::ManifestFile& file : files) {
    INFO(file.name);
    CHECK(without_version(file.yaml) == read_file(golden / file.name));
  }
}

TEST_CASE("a model on the CPU needs no NodePool") {
  ServingOptions options;
  options.gpus = 0;
  for (const auto& file : scaffold_files(model_deployment(find_model("smollm2-135m"), options, ""))) {
    CHECK(file.yaml.find("NodePool") == std::string::npos);
    CHECK(file.yaml.find("nvidia.com/gpu") == std::string::npos);
  }
}

TEST_CASE("files that exist are only overwritten when the user says so, and otherwise none is written") {
  const TemporaryFolder folder;
  const auto files = files_for("smollm2-135m", "");
  write_file(folder.path() / files.back().name, "mine");
  CHECK_THROWS_AS(write_files(folder.path(), files, false), Error);
  CHECK_FALSE(std::filesystem::exists(folder.path() / files.front().name));
  CHECK(read_file(folder.path() / files.back().name) == "mine");
  write_files(folder.path(), files, true);
  CHECK(read_file(folder.path() / files.back().name) == files.back().yaml);
}

TEST_CASE("names that a Service cannot have are refused") {
  for (const char* name : {"Upper", "-a", "a-", "1a", "a.b", "a_b", "a/b"}) {
    INFO(name);
    ServingOptions options;
    options.name = name;
    CHECK_THROWS_AS(model_deployment(find_model("smollm2-135m"), options, ""), Error);
  }
}

}  // namespace gpuinfer::plugin
