// policies/policy_document: settings, defaults, and errors with their place.
#include "policies/policy_set.hpp"

#include "catch.hpp"
#include "policies/document_section.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

namespace {

const std::string kHead = "apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: test}\n";

InjectionPolicy parse(const std::string& spec) {
  return parse_policy_files({{"policy.yaml", kHead + spec}}).unselected();
}

std::string error_of(const std::string& text) {
  try {
    parse_policy_files({{"policy.yaml", text}});
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("the default document switches the four policies on and keeps images where they are") {
  const InjectionPolicy& policy = default_policies().unselected();
  CHECK(policy.name == "default");
  CHECK(policy.on_invalid_annotation == OnInvalidAnnotation::kWarn);
  CHECK(policy.gpu_toleration.enabled);
  CHECK(policy.gpu_toleration.keys == std::vector<std::string>{"nvidia.com/gpu", "aws.amazon.com/neuron"});
  CHECK(policy.shared_memory.enabled);
  CHECK(policy.shared_memory.per_gpu_bytes == std::int64_t{2} << 30);
  CHECK(policy.image_registry.enabled);
  CHECK(policy.image_registry.registry.empty());
  CHECK(policy.image_registry.rewrites.at("docker.io") == "docker-hub");
  CHECK(policy.model_storage.default_storage == "gpuinfer-models");
  CHECK(policy.model_storage.mount_path == "/models");
}

TEST_CASE("a document changes what it says and leaves the rest") {
  const InjectionPolicy policy = parse(R"(spec:
  onInvalidAnnotation: deny
  sharedMemory: {perGpu: 512Mi, memoryLimitPercent: 25}
  imageRegistry: {registry: "mirror:5000/x", rewrites: {"quay.io": ""}}
)");
  CHECK(policy.name == "test");
  CHECK(policy.on_invalid_annotation == OnInvalidAnnotation::kDeny);
  CHECK(policy.shared_memory.enabled);
  CHECK(policy.shared_memory.per_gpu_bytes == 512 << 20);
  CHECK(policy.shared_memory.maximum_bytes == default_policies().unselected().shared_memory.maximum_bytes);
  CHECK(policy.shared_memory.memory_limit_percent == 25);
  CHECK(policy.image_registry.rewrites == std::map<std::string, std::string>{{"quay.io", ""}});
  CHECK(policy.model_storage.default_storage == "gpuinfer-models");
  CHECK(parse("").name == "test");
}

TEST_CASE("errors name file, line, column and field") {
  CHECK(error_of(kHead + "spec:\n  sharedMemroy: {}\n") == "policy.yaml:5:17: spec.sharedMemroy is an unknown key");
  CHECK(error_of(kHead + "spec:\n  sharedMemory:\n    perGpu: 2 gigs\n") ==
        "policy.yaml:6:13: spec.sharedMemory.perGpu must be a quantity above zero, such as 2Gi");
  CHECK(error_of(kHead + "spec:\n  gpuToleration:\n    keys:\n    - nvidia.com/gpu\n    - gpu\n") ==
        "policy.yaml:8:7: spec.gpuToleration.keys.1 must be the name of an extended resource, such as nvidia.com/gpu");
  CHECK(error_of(kHead + "spec: {imageRegistry: {rewrites: {https://ghcr.io: x}}}\n") ==
        "policy.yaml:4:52: spec.imageRegistry.rewrites.https://ghcr.io has a key that is not a registry's host, such "
        "as ghcr.io (docker.io for Docker Hub), or HOST/PATH");
  CHECK(error_of(kHead + "spec:\n  placement:\n    nodes:\n      zones: [us-west-2a, usw2-az1]\n") ==
        "policy.yaml:7:14: spec.placement.nodes.zones is wrong: zones are asked for by name (us-west-2a) and by ID "
        "(usw2-az1); "
        "no node could be in both lists");
  CHECK(error_of("apiVersion: gpuinfer.dev/v1\nkind: InjectionPolicy\n") ==
        "policy.yaml:1:13: apiVersion must be gpuinfer.dev/v1alpha1");
  CHECK(error_of("a: [1\n") != "no error");
}

TEST_CASE("wrong documents are refused") {
  const std::string spec = GENERATE(
      "spec: []", "spec: {onInvalidAnnotation: refuse}", "spec: {excludedNamespaces: kube-system}",
      "spec: {excludedNamespaces: [Kube]}", "spec: {gpuToleration: {enabled: yes}}", "spec: {gpuToleration: true}",
      "spec: {sharedMemory: {perGpu: 0}}", "spec: {sharedMemory: {maximum: -1Gi}}",
      "spec: {sharedMemory: {memoryLimitPercent: 0}}", "spec: {sharedMemory: {memoryLimitPercent: 101}}",
      "spec: {sharedMemory: {memoryLimitPercent: 50.5}}",
      "spec: {sharedMemory: {memoryLimitPercent: 18446744073709551615}}",
      "spec: {imageRegistry: {registry: 'https://mirror'}}", "spec: {imageRegistry: {registry: just-a-word}}",
      "spec: {imageRegistry: {registry: index.docker.io/x}}", "spec: {imageRegistry: {registry: 'mirror:5000/'}}",
      "spec: {imageRegistry: {rewrites: {index.docker.io: x}}}", "spec: {imageRegistry: {rewrites: {ghcr.io: /x}}}",
      "spec: {imageRegistry: {rewrites: {ghcr.io: X}}}", "spec: {imageRegistry: {rewrites: {ghcr.io: null}}}",
      "spec: {modelStorage: {mountPath: models}}", "spec: {modelStorage: {mountPath: /}}",
      "spec: {modelStorage: {mountPath: /models/}}", "spec: {modelStorage: {mountPath: /models/../etc}}",
      "spec: {modelStorage: {mountPath: '/a:b'}}", "spec: {modelStorage: {defaultStorage: ''}}",
      "spec: {modelStorage: {storage: {s3: Bucket}}}", "spec: {modelStorage: {storage: {s3: {claim: Bucket}}}}",
      "spec: {modelStorage: {storage: {s3: {}}}}", "spec: {modelStorage: {storage: {s3: {claim: a, hostPath: /b}}}}",
      "spec: {modelStorage: {storage: [s3]}}", "status: {}");
  INFO(spec);
  CHECK_THROWS_AS(parse(spec), PolicyDocumentError);
}

TEST_CASE("a file holds InjectionPolicies with names of their own") {
  const auto parse_file = [](const std::string& text) { return parse_policy_files({{"policy.yaml", text}}); };
  const PolicySet two = parse_file(kHead + "---\n" + "apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\n" +
                                   "metadata: {name: second}\n");
  CHECK(two.names() == std::vector<std::string>{"test", "second"});
  CHECK(two.unselected().name == "test+second");
  CHECK_THROWS_AS(parse_file(""), PolicyDocumentError);
  CHECK_THROWS_AS(parse_file(kHead + "---\n" + kHead), PolicyDocumentError);
  CHECK_THROWS_AS(parse_file("apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\n"), PolicyDocumentError);
  CHECK_THROWS_AS(parse_file("metadata: {name: x}\n"), PolicyDocumentError);
  CHECK_THROWS_AS(parse_file("- 1\n"), PolicyDocumentError);
}
