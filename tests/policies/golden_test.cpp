// Every golden case: the recorded answer, the patch that makes it, and that a second injection changes nothing.
// GPUINFER_UPDATE_GOLDEN=1 records the answers anew; read the difference before committing it.
#include <cstdlib>

#include "base/file.hpp"
#include "base/yaml.hpp"
#include "catch.hpp"
#include "policies/json_patch.hpp"
#include "tests/policies/golden.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

namespace {

/// Keys in any order.
nlohmann::json unordered(const Json& value) { return nlohmann::json::parse(value.dump()); }

}  // namespace

TEST_CASE("golden cases get the recorded answer") {
  const bool update = std::getenv("GPUINFER_UPDATE_GOLDEN") != nullptr;
  const std::vector<GoldenCase> cases = golden_cases();
  REQUIRE(cases.size() >= 30);
  for (const GoldenCase& golden : cases) {
    INFO(golden.name);
    const Injection injection = admit(golden.object, golden.policy);
    const std::string text = emit_yaml(answer(golden.object, injection));
    const std::string path = "policies/testdata/" + golden.name + ".expected.yaml";
    if (update) write_file(path, text);
    CHECK(text == read_file(path));
  }
}

TEST_CASE("the patch of a golden case makes the injected object, and the second injection is a no-op") {
  for (const GoldenCase& golden : golden_cases()) {
    INFO(golden.name);
    const Injection first = admit(golden.object, golden.policy);
    const Json patched = golden.object.patch(json_patch(golden.object, first.object));
    CHECK(unordered(patched) == unordered(first.object));

    const Injection second = admit(patched, golden.policy);
    CHECK(second.outcome == first.outcome);
    CHECK(second.actions.empty());
    CHECK(json_patch(patched, second.object) == Json::array());
  }
}
