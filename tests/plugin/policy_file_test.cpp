// Policy documents from the command line.
#include "plugin/policy_file.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "catch.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::plugin {

TEST_CASE("--ecr sets the registry and keeps the comments") {
  const std::string registry = "111122223333.dkr.ecr.us-west-2.amazonaws.com";
  const PolicyFile policy = load_policy({.file = "", .registry = registry});
  CHECK(policy.policies.unselected().image_registry.registry == registry);
  CHECK(policy.text.find("    registry: \"" + registry + "\"\n") != std::string::npos);
  CHECK(policy.text.find("# Pull images through your own registry") != std::string::npos);
  CHECK(load_policy({}).text == policies::default_policy_text());
}

TEST_CASE("a document that --ecr cannot change, is wrong or missing is refused") {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "policy.yaml").string();
  const std::string head = "apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: x}\n";
  write_file(file, head + "spec: {}\n");
  CHECK_NOTHROW(load_policy({.file = file, .registry = ""}));
  CHECK_THROWS_AS(load_policy({.file = file, .registry = "r.example"}), Error);
  write_file(file, head + "spec: {imageRegistry: {registry: \"\", enabled: true}}\n");
  CHECK_THROWS_AS(load_policy({.file = file, .registry = "r.example"}), Error);
  write_file(file, head + "spec: {imageRegistri: {}}\n");
  CHECK_THROWS_AS(load_policy({.file = file, .registry = ""}), Error);
  CHECK_THROWS_AS(load_policy({.file = file + ".nowhere", .registry = ""}), Error);
}

}  // namespace gpuinfer::plugin
