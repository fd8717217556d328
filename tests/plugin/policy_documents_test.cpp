// Policy documents from the command line.
#include "plugin/policy_documents.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "catch.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::plugin {

namespace {

std::string document(const std::string& name, const std::string& spec) {
  return "apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: " + name + "}\nspec: " + spec +
         "\n";
}

}  // namespace

TEST_CASE("--ecr sets the registry and keeps the comments") {
  const std::string registry = "111122223333.dkr.ecr.us-west-2.amazonaws.com";
  const PolicyDocuments loaded = load_policies({.paths = {}, .registry = registry});
  CHECK(loaded.policies.unselected().image_registry.registry == registry);
  REQUIRE(loaded.files.size() == 1);
  CHECK(loaded.files[0].text.find("    registry: \"" + registry + "\"\n") != std::string::npos);
  CHECK(loaded.files[0].text.find("# Pull images through your own registry") != std::string::npos);
  CHECK(load_policies({}).files[0].text == policies::default_policy_text());
}

TEST_CASE("a document that --ecr cannot change, is wrong or missing is refused") {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "policy.yaml").string();
  write_file(file, document("x", "{}"));
  CHECK_NOTHROW(load_policies({.paths = {file}, .registry = ""}));
  CHECK_THROWS_AS(load_policies({.paths = {file}, .registry = "r.example"}), Error);
  write_file(file, document("x", "{imageRegistry: {registry: \"\", enabled: true}}"));
  CHECK_THROWS_AS(load_policies({.paths = {file}, .registry = "r.example"}), Error);
  write_file(file, document("x", "{imageRegistri: {}}"));
  CHECK_THROWS_AS(load_policies({.paths = {file}, .registry = ""}), Error);
  CHECK_THROWS_AS(load_policies({.paths = {file + ".nowhere"}, .registry = ""}), Error);
}

TEST_CASE("a folder is its YAML files in order of name, and --ecr sets the last line that can be set") {
  const TemporaryFolder folder;
  write_file(folder.path() / "20-team.yaml", document("team", "{gpuToleration: {enabled: false}}"));
  write_file(folder.path() / "10-platform.yaml",
             document("first", "{}") + "---\n" + document("platform", "\n  imageRegistry:\n    registry: old.example"));
  write_file(folder.path() / "notes.txt", "no document");
  const PolicyDocuments loaded = load_policies({.paths = {folder.path().string()}, .registry = "new.example"});
  CHECK(loaded.policies.names() == std::vector<std::string>{"first", "platform", "team"});
  CHECK(loaded.policies.unselected().image_registry.registry == "new.example");
  CHECK_THROWS_AS(load_policies({.paths = {(folder.path() / "notes.txt").string()}, .registry = ""}), Error);
  const TemporaryFolder empty;
  CHECK_THROWS_AS(load_policies({.paths = {empty.path().string()}, .registry = ""}), Error);
}

}  // namespace gpuinfer::plugin
