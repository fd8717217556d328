// Prints [{"name", "before", "patch", "after"}] of every golden case, for test_json_patch.py.
#include <iostream>

#include "policies/json_patch.hpp"
#include "tests/policies/golden.hpp"

int main() {
  using namespace gpuinfer;
  using namespace gpuinfer::policies;
  Json all = Json::array();
  for (const GoldenCase& golden : golden_cases()) {
    const Json after = admit(golden.object, golden.policy).object;
    all.push_back({{"name", golden.name},
                   {"before", golden.object},
                   {"patch", json_patch(golden.object, after)},
                   {"after", after}});
  }
  std::cout << all.dump() << "\n";
}
