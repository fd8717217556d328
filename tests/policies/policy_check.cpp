// Reads a policy file on standard input, for test_policy_schema.py: prints {"documents": […]} with their JSON values
// and "error", what is wrong with them or "".
#include <iostream>
#include <iterator>

#include "base/yaml.hpp"
#include "policies/policy_set.hpp"

int main() {
  using namespace gpuinfer;
  const std::string text(std::istreambuf_iterator<char>(std::cin), {});
  Json answer = {{"documents", Json::array()}, {"error", ""}, {"remedy", ""}};
  try {
    for (const YamlDocument& document : parse_yaml(text, "policy.yaml")) answer["documents"].push_back(document.value);
    policies::parse_policy_files({{"policy.yaml", text}});
  } catch (const Error& error) {
    answer["error"] = error.what();
    answer["remedy"] = error.remedy();
  }
  std::cout << answer.dump() << "\n";
}
