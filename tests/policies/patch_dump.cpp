// Prints [{"name", "before", "documents", "outcome", "patch", "after"}] of every golden case, for the tests in Python.
#include <iostream>

#include "policies/json_patch.hpp"
#include "tests/policies/golden.hpp"

int main() {
  using namespace gpuinfer;
  using namespace gpuinfer::policies;
  Json all = Json::array();
  const auto add = [&](const GoldenCase& golden) {
    const Injection injection = admit(golden.object, golden.policies);
    all.push_back({{"name", golden.name},
                   {"before", golden.object},
                   {"documents", golden.documents},
                   {"outcome", name(injection.outcome)},
                   {"patch", json_patch(golden.object, injection.object)},
                   {"after", injection.object}});
  };
  for (const GoldenCase& golden : golden_cases()) add(golden);
  for (const GoldenCase& golden : large_cases()) add(golden);
  std::cout << all.dump() << "\n";
}
