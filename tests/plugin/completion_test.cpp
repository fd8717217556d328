// What the shell offers after <TAB>.
#include "plugin/completion.hpp"

#include <algorithm>

#include "catch.hpp"
#include "environment_variable.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::plugin {

namespace {

bool offers(const std::vector<std::string>& words, const std::string& candidate) {
  const auto candidates = completions(words);
  return std::find(candidates.begin(), candidates.end(), candidate) != candidates.end();
}

}  // namespace

TEST_CASE("commands, options, models and nothing else are completed") {
  const TemporaryFolder folder;
  const EnvironmentVariable state("XDG_STATE_HOME", folder.path().string());
  CHECK(completions({"dep"}) == std::vector<std::string>{"deploy"});
  CHECK(completions({"models", ""}) == std::vector<std::string>{"describe", "pull"});
  CHECK(completions({"deploy", "smol"}) == std::vector<std::string>{"smollm2-135m"});
  CHECK(completions({"deploy", "--dry"}) == std::vector<std::string>{"--dry-run"});
  CHECK(offers({"chat", "--"}, "--temperature"));
  CHECK(offers({""}, "status"));
  CHECK(completions({"chat", ""}).empty());
  CHECK(completions({"nonsense"}).empty());
}

TEST_CASE("the program knows itself as kubectl's completion") {
  CHECK(is_completion_name("/usr/local/bin/kubectl_complete-gpuinfer"));
  CHECK_FALSE(is_completion_name("/usr/local/bin/kubectl-gpuinfer"));
  const TemporaryFolder folder;
  const auto link = install_completion(folder.path());
  CHECK(std::filesystem::is_symlink(link));
  CHECK(install_completion(folder.path()) == link);
}

}  // namespace gpuinfer::plugin
