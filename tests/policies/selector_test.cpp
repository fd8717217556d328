// policies/selector and policy_set: which documents a pod meets, and what they add up to.
#include "policies/selector.hpp"

#include "base/error.hpp"
#include "catch.hpp"
#include "policies/admit.hpp"
#include "policies/policy_set.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

namespace {

std::string document(const std::string& name, const std::string& spec) {
  return "---\napiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: " + name +
         "}\nspec: " + spec + "\n";
}

Json pod(const std::string& labels, const std::string& image = "nginx", const std::string& limits = "{}") {
  return Json::parse(R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "team-a", "labels": )" + labels +
                     R"(}, "spec": {"containers": [{"name": "main", "image": ")" + image +
                     R"(", "resources": {"limits": )" + limits + "}}]}}");
}

/// Whether a document with this selector picks the pod.
bool picks(const std::string& selector, const Json& object) {
  const PolicySet policies = parse_policy_files({{"p.yaml", document("it", "{selector: " + selector + "}")}});
  return policies.policy_for(object, "")->name == "it";
}

}  // namespace

TEST_CASE("a glob's stars stand for any characters") {
  struct Case {
    const char* pattern;
    const char* text;
    bool fits;
  };
  const auto [pattern, text, fits] = GENERATE(values<Case>({
      {"", "", true},
      {"", "a", false},
      {"a", "a", true},
      {"a", "ab", false},
      {"*", "", true},
      {"*", "anything", true},
      {"team-*", "team-a", true},
      {"team-*", "team", false},
      {"*-test", "a-test", true},
      {"*-test", "test", false},
      {"a*b*c", "abc", true},
      {"a*b*c", "a-b-b-c", true},
      {"a*b*c", "acb", false},
      {"a*a", "a", false},
      {"**", "x", true},
      {"*a*", "bab", true},
      {"ab*ba", "aba", false},
      {"*/vllm/*", "docker.io/vllm/vllm-openai", true},
  }));
  INFO(pattern << " " << text);
  CHECK(fits_glob(text, pattern) == fits);
}

TEST_CASE("every condition of a selector has to hold") {
  const Json labelled = pod(R"({"app": "llm", "tier": "gold"})", "vllm/vllm-openai:v1", R"({"nvidia.com/gpu": "1"})");
  CHECK(picks("{namespaces: [team-*]}", labelled));
  CHECK_FALSE(picks("{namespaces: [team-b, prod-*]}", labelled));
  CHECK(picks("{matchLabels: {app: llm}}", labelled));
  CHECK_FALSE(picks("{matchLabels: {app: llm, tier: silver}}", labelled));
  CHECK(picks("{images: ['docker.io/vllm/*']}", labelled));
  CHECK(picks("{images: ['vllm/*:v1']}", labelled));
  CHECK_FALSE(picks("{images: ['ghcr.io/*']}", labelled));
  CHECK(picks("{requestsGpu: true}", labelled));
  CHECK_FALSE(picks("{requestsGpu: false}", labelled));
  CHECK(picks("{requestsGpu: false}", pod("{}")));
  CHECK_FALSE(picks("{namespaces: [team-*], requestsGpu: false}", labelled));
}

TEST_CASE("label expressions mean what they mean in Kubernetes") {
  const Json labelled = pod(R"({"app": "llm"})");
  CHECK(picks("{matchExpressions: [{key: app, operator: In, values: [web, llm]}]}", labelled));
  CHECK_FALSE(picks("{matchExpressions: [{key: app, operator: NotIn, values: [web, llm]}]}", labelled));
  CHECK(picks("{matchExpressions: [{key: tier, operator: NotIn, values: [gold]}]}", labelled));
  CHECK(picks("{matchExpressions: [{key: app, operator: Exists}]}", labelled));
  CHECK_FALSE(picks("{matchExpressions: [{key: tier, operator: Exists}]}", labelled));
  CHECK(picks("{matchExpressions: [{key: tier, operator: DoesNotExist}]}", labelled));
  CHECK_FALSE(picks("{matchLabels: {app: llm}, matchExpressions: [{key: app, operator: DoesNotExist}]}", labelled));
}

TEST_CASE("documents write over those before them, in the order of files and in a file") {
  const PolicySet policies = parse_policy_files(
      {{"1.yaml", document("one", "{sharedMemory: {perGpu: 1Gi, maximum: 8Gi}}") +
                      document("two", "{selector: {requestsGpu: true}, sharedMemory: {perGpu: 2Gi}}")},
       {"2.yaml", document("three", "{sharedMemory: {memoryLimitPercent: 10}}")}});
  CHECK(policies.names() == std::vector<std::string>{"one", "two", "three"});

  const auto plain = policies.policy_for(pod("{}"), "");
  CHECK(plain->name == "one+three");
  CHECK(plain->shared_memory.per_gpu_bytes == std::int64_t{1} << 30);
  CHECK(plain->shared_memory.memory_limit_percent == 10);

  const auto with_gpu = policies.policy_for(pod("{}", "nginx", R"({"nvidia.com/gpu": "1"})"), "");
  CHECK(with_gpu->name == "one+two+three");
  CHECK(with_gpu->shared_memory.per_gpu_bytes == std::int64_t{2} << 30);
  CHECK(with_gpu->shared_memory.maximum_bytes == std::int64_t{8} << 30);
  CHECK(with_gpu->shared_memory.memory_limit_percent == 10);
  CHECK(with_gpu->image_registry.rewrites == default_policies().unselected().image_registry.rewrites);
}

TEST_CASE("a selector looks at the request's namespace where the pod names none") {
  Json object = pod("{}");
  object["metadata"].erase("namespace");
  const PolicySet policies = parse_policy_files({{"p.yaml", document("it", "{selector: {namespaces: [team-*]}}")}});
  CHECK(policies.policy_for(object, "team-x")->name == "it");
  CHECK(policies.policy_for(object, "other")->name == "default");
}

TEST_CASE("inject: selected needs no annotation, and the opt-out wins") {
  const PolicySet policies =
      parse_policy_files({{"p.yaml", document("it", "{selector: {requestsGpu: true}, inject: selected}")}});
  CHECK(policies.injects_without_annotation());
  CHECK_FALSE(default_policies().injects_without_annotation());

  Json object = pod("{}", "nginx", R"({"nvidia.com/gpu": "1"})");
  const Injection injection = admit(object, policies);
  CHECK(injection.outcome == Outcome::kInjected);
  CHECK(injection.object["metadata"]["annotations"]["gpuinfer.dev/injected"] == "it: gpu_toleration, shared_memory");
  CHECK(admit(injection.object, policies).actions.empty());

  object["metadata"]["annotations"]["gpuinfer.dev/inject"] = "false";
  CHECK(admit(object, policies).outcome == Outcome::kUntouched);
  CHECK(admit(pod("{}"), policies).outcome == Outcome::kUntouched);

  Json without_metadata = object;
  without_metadata.erase("metadata");
  CHECK(admit(without_metadata, policies).outcome == Outcome::kInjected);
}

TEST_CASE("a selector by image still picks the pod after the image was rewritten") {
  const PolicySet policies = parse_policy_files(
      {{"p.yaml", document("it",
                           "{selector: {images: ['vllm/*']}, inject: selected, "
                           "imageRegistry: {registry: 111122223333.dkr.ecr.us-west-2.amazonaws.com}}")}});
  const Injection first = admit(pod("{}", "vllm/vllm-openai"), policies);
  CHECK(first.object["spec"]["containers"][0]["image"] ==
        "111122223333.dkr.ecr.us-west-2.amazonaws.com/docker-hub/vllm/vllm-openai");
  const Injection second = admit(first.object, policies);
  CHECK(second.outcome == Outcome::kInjected);
  CHECK(second.actions.empty());
}

TEST_CASE("an image that another rule of the table would send further stays where it is") {
  const PolicySet policies = parse_policy_files(
      {{"p.yaml", document("it", "{imageRegistry: {rewrites: {docker.io: a.example/dh, a.example: b.example}}}")}});
  Json object = pod("{}", "nginx");
  object["metadata"]["annotations"]["gpuinfer.dev/inject"] = "true";
  const Injection first = admit(object, policies);
  CHECK(first.object["spec"]["containers"][0]["image"] == "a.example/dh/library/nginx");
  CHECK(admit(first.object, policies).actions.empty());
}
