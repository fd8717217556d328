// Every golden case: the recorded answer, the patch that makes it, and that a second injection changes nothing.
// GPUINFER_UPDATE_GOLDEN=1 records the answers anew; read the difference before committing it.
#include <cstdlib>

#include "base/yaml.hpp"
#include "catch.hpp"
#include "policies/json_patch.hpp"
#include "tests/policies/golden.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

namespace {

/// Keys in any order.
nlohmann::json unordered(const Json& value) { return nlohmann::json::parse(value.dump()); }

void check_patch_and_second_injection(const GoldenCase& golden) {
  INFO(golden.name);
  const Injection first = admit(golden.object, golden.policies);
  const Json patched = golden.object.patch(json_patch(golden.object, first.object));
  CHECK(unordered(patched) == unordered(first.object));

  const Injection second = admit(patched, golden.policies);
  CHECK(second.outcome == first.outcome);
  CHECK(second.actions.empty());
  CHECK(json_patch(patched, second.object) == Json::array());
}

}  // namespace

TEST_CASE("golden cases get the recorded answer") {
  const bool update = std::getenv("GPUINFER_UPDATE_GOLDEN") != nullptr;
  const std::vector<GoldenCase> cases = golden_cases();
  REQUIRE(cases.size() >= 120);
  for (const GoldenCase& golden : cases) {
    INFO(golden.name);
    const std::string text = emit_yaml(answer(golden.object, admit(golden.object, golden.policies)));
    if (update) record_answer(golden, text);
    CHECK((update || text == golden.answer_as_is));
  }
}

TEST_CASE("the patch of a golden case makes the injected object, and the second injection is a no-op") {
  for (const GoldenCase& golden : golden_cases()) check_patch_and_second_injection(golden);
}

TEST_CASE("so it is with pods of a quarter of a megabyte, whose patch stays small") {
  for (const GoldenCase& golden : large_cases()) {
    check_patch_and_second_injection(golden);
    const Injection injection = admit(golden.object, golden.policies);
    CHECK(golden.object.dump().size() > 256 << 10);
    CHECK(json_patch(golden.object, injection.object).dump().size() < 2 << 10);
  }
}
