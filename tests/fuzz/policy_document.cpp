// Fuzz target: any text as a file of policy documents. What is accepted injects pods idempotently.
#include "base/yaml.hpp"
#include "fuzz/embedded.hpp"
#include "policies/policy_set.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/idempotence.hpp"

using namespace gpuinfer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<YamlDocument> pods = parse_yaml(fuzz::embedded::pods_yaml, "pods.yaml");
  fuzz::accept_error([&] {
    const policies::PolicySet policies =
        policies::parse_policy_files({{"policy.yaml", std::string(fuzz::text_of(data, size))}});
    for (const YamlDocument& pod : pods) fuzz::check_admission(pod.value, policies, "team");
  });
  return 0;
}
