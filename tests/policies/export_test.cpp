// What is exported says what the documents say. That it also does what the webhook does,
// tests/e2e/test_policy_export.py shows on an API server.
#include <regex>
#include <set>

#include "base/file.hpp"
#include "base/yaml.hpp"
#include "catch.hpp"
#include "policies/annotations.hpp"
#include "policies/export/effective_document.hpp"
#include "policies/export/mutating_admission_policy.hpp"
#include "tests/policies/golden.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

namespace {

bool is_known(const std::string& key) {
  const Json pod = {{"metadata", {{"annotations", {{key, "?"}}}}}};
  const std::vector<std::string> problems = parse_annotations(pod).problems;
  return problems.empty() || problems[0].find("unknown annotation") == std::string::npos;
}

/// Every annotation that the manual names and that we read.
std::set<std::string> known_annotations() {
  std::set<std::string> keys;
  const std::string manual = read_file("../docs/policies.md");
  const std::regex pattern("gpuinfer[.]dev/[a-z-]+");
  for (std::sregex_iterator match(manual.begin(), manual.end(), pattern), end; match != end; ++match) {
    if (is_known(match->str()) && !is_written_by_us(match->str())) keys.insert(match->str());
  }
  return keys;
}

}  // namespace

TEST_CASE("the effective document of every golden case reads as the settings that it was made of") {
  for (const GoldenCase& golden : golden_cases()) {
    INFO(golden.name);
    const Json document = effective_document(golden.policies.unselected());
    const PolicySet again = parse_policy_files({{"effective.yaml", emit_yaml(document)}});
    CHECK(effective_document(again.unselected()) == document);
  }
}

TEST_CASE("an export has all settings filled in and knows every annotation") {
  const AdmissionPolicyExport exported = export_mutating_admission_policy(default_policies());
  const std::string text = to_yaml(exported);
  CHECK(text.find("settings of the document") == std::string::npos);
  CHECK(parse_yaml(text, "export.yaml").size() == 2);
  CHECK(exported.binding["spec"]["policyName"] == exported.policy["metadata"]["name"]);
  const std::string conditions = exported.policy["spec"]["matchConditions"].dump();
  const std::set<std::string> keys = known_annotations();
  CHECK(keys.size() >= 10);
  for (const std::string& key : keys) {
    INFO(key);
    CHECK(conditions.find(key) != std::string::npos);
  }
}

TEST_CASE("what CEL lacks is said") {
  const auto gaps = [](const std::string& spec) {
    const std::string head = "apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: x}\nspec: ";
    const PolicySet policies = parse_policy_files({{"policy.yaml", head + spec}});
    std::string text;
    for (const std::string& gap : export_mutating_admission_policy(policies).gaps) text += gap + "\n";
    return text;
  };
  CHECK(gaps("{placement: {nodes: {gpuNames: [l4]}}}").find("placement.nodes") != std::string::npos);
  CHECK(gaps("{onInvalidAnnotation: deny}").find("deny") != std::string::npos);
  CHECK(gaps("{selector: {requestsGpu: true}}").find("'x' has a selector") != std::string::npos);
  CHECK(gaps("{modelStorage: {storage: {fast: {claim: c, zone: usw2-az1}}}}").find("storage.fast") !=
        std::string::npos);
}
