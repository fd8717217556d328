#include "tests/policies/golden.hpp"

#include <algorithm>

#include "base/file.hpp"
#include "base/yaml.hpp"
#include "policies/json_patch.hpp"

namespace gpuinfer::policies {

std::vector<GoldenCase> golden_cases() {
  std::vector<GoldenCase> cases;
  for (const auto& entry : std::filesystem::directory_iterator("policies/testdata")) {
    const std::string file = entry.path().filename().string();
    if (file.ends_with(".expected.yaml")) continue;
    GoldenCase golden{entry.path().stem().string(), {}, default_policy()};
    for (const YamlDocument& document : parse_yaml(read_file(entry.path()), file)) {
      if (document.value["kind"] == "InjectionPolicy") {
        golden.policy = parse_policy_document(emit_yaml(document.value), file);
      } else {
        golden.object = document.value;
      }
    }
    cases.push_back(golden);
  }
  std::sort(cases.begin(), cases.end(), [](const GoldenCase& a, const GoldenCase& b) { return a.name < b.name; });
  return cases;
}

Json answer(const Json& before, const Injection& injection) {
  Json result = {{"outcome", name(injection.outcome)}};
  if (!injection.denial.empty()) result["denial"] = injection.denial;
  if (!injection.warnings.empty()) result["warnings"] = injection.warnings;
  for (const Action& action : injection.actions) {
    result["actions"].push_back(action.policy + ": " + action.reason);
  }
  const Json patch = json_patch(before, injection.object);
  if (!patch.empty()) result["patch"] = patch;
  return result;
}

}  // namespace gpuinfer::policies
