// policies/inject, propagate and admit: what the golden files cannot say.
#include "policies/inject.hpp"

#include "base/error.hpp"
#include "catch.hpp"
#include "policies/admit.hpp"
#include "policies/json_patch.hpp"
#include "policies/propagate.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

namespace {

Json gpu_pod() {
  return Json::parse(R"({"apiVersion": "v1", "kind": "Pod",
    "metadata": {"annotations": {"gpuinfer.dev/inject": "true"}},
    "spec": {"containers": [{"name": "server", "image": "vllm/vllm-openai",
                             "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}})");
}

}  // namespace

TEST_CASE("the request's namespace counts where the pod names none") {
  CHECK(inject(gpu_pod(), default_policies(), "kube-system").outcome == Outcome::kUntouched);
  CHECK(inject(gpu_pod(), default_policies(), "team").outcome == Outcome::kInjected);

  Json pod = gpu_pod();
  pod["metadata"]["namespace"] = "team";
  CHECK(inject(pod, default_policies(), "kube-system").outcome == Outcome::kInjected);
}

TEST_CASE("kube-system is left alone even by a document that excludes nothing") {
  const PolicySet policies =
      parse_policy_files({{"policy.yaml",
                           "apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: all}\n"
                           "spec: {excludedNamespaces: []}\n"}});
  CHECK(inject(gpu_pod(), policies, "kube-system").outcome == Outcome::kUntouched);
}

TEST_CASE("a field of another JSON type is an error that names it") {
  Json pod = gpu_pod();
  pod["spec"]["containers"][0]["env"] = "A=B";
  CHECK_THROWS_WITH(inject(pod, default_policies()), "pod.spec.containers[0].env must be a list but is string");

  pod = gpu_pod();
  pod["metadata"]["annotations"]["gpuinfer.dev/gpus"] = 1;
  CHECK_THROWS_WITH(inject(pod, default_policies()),
                    "pod.metadata.annotations.gpuinfer.dev/gpus must be a string but is number");

  pod = gpu_pod();
  pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = "one";
  CHECK_THROWS_AS(inject(pod, default_policies()), Error);

  CHECK_THROWS_AS(inject(Json::array(), default_policies()), Error);
}

TEST_CASE("a pod without a spec, and lists that are null or hold nulls, go through") {
  CHECK(inject(Json::parse(R"({"metadata": {"annotations": {"gpuinfer.dev/inject": "true"}}})"), default_policies())
            .outcome == Outcome::kInjected);
  const Json sparse = Json::parse(R"({"metadata": {"annotations": {"gpuinfer.dev/inject": "true",
      "gpuinfer.dev/model": "a/b"}}, "spec": {"initContainers": null, "tolerations": [null], "volumes": null,
      "containers": [null, {"env": [null], "volumeMounts": [null], "resources": {"limits": {"nvidia.com/gpu": 1}}}]}})");
  const Injection injection = inject(sparse, default_policies());
  CHECK(injection.outcome == Outcome::kInjected);
  CHECK(injection.actions.size() == 4);
  CHECK(inject(injection.object, default_policies()).actions.empty());
}

TEST_CASE("a container that another webhook adds later is injected on the second pass, and noted") {
  Json pod = Json::parse(R"({"metadata": {"annotations": {"gpuinfer.dev/inject": "true"}},
                             "spec": {"containers": [{"name": "main", "image": "nginx"}]}})");
  pod = inject(pod, default_policies()).object;
  CHECK(pod["metadata"]["annotations"]["gpuinfer.dev/injected"] == "default:");
  pod["spec"]["containers"].push_back(gpu_pod()["spec"]["containers"][0]);
  pod = inject(pod, default_policies()).object;
  CHECK(pod["metadata"]["annotations"]["gpuinfer.dev/injected"] == "default: gpu_toleration, shared_memory");
  CHECK(pod["spec"]["containers"][1]["volumeMounts"].size() == 1);
}

TEST_CASE("a Deployment in kube-system keeps its template") {
  const Json deployment = {{"apiVersion", "apps/v1"},
                           {"kind", "Deployment"},
                           {"metadata", {{"name", "x"}, {"annotations", {{"gpuinfer.dev/inject", "true"}}}}},
                           {"spec", {{"template", gpu_pod()}}}};
  CHECK(admit(deployment, default_policies(), "kube-system").outcome == Outcome::kUntouched);
}

TEST_CASE("the pod of a Deployment carries its template, its name and its namespace") {
  const Json deployment = Json::parse(R"({"apiVersion": "apps/v1", "kind": "Deployment",
      "metadata": {"name": "llm", "namespace": "team", "labels": {"of": "the deployment"}},
      "spec": {"template": {"metadata": {"labels": {"app": "llm"}}, "spec": {"containers": [{"name": "server"}]}}}})");
  const Json pod = pods_of(deployment).front();
  CHECK(pod["kind"] == "Pod");
  CHECK(pod["apiVersion"] == "v1");
  CHECK(pod["metadata"]["name"] == "llm");
  CHECK(pod["metadata"]["namespace"] == "team");
  CHECK(pod["metadata"]["labels"] == Json({{"app", "llm"}}));
  CHECK(pod["spec"]["containers"][0]["name"] == "server");
}

TEST_CASE("workloads and pods are known by kind and API version") {
  CHECK(is_workload({{"apiVersion", "apps/v1"}, {"kind", "Deployment"}}));
  CHECK(is_workload({{"apiVersion", "leaderworkerset.x-k8s.io/v1"}, {"kind", "LeaderWorkerSet"}}));
  CHECK(may_change_on_update({{"apiVersion", "batch/v1"}, {"kind", "CronJob"}}));
  CHECK_FALSE(may_change_on_update({{"apiVersion", "batch/v1"}, {"kind", "Job"}}));
  CHECK_FALSE(is_workload({{"apiVersion", "example.com/v1"}, {"kind", "Deployment"}}));
  Json pod = gpu_pod();
  pod["apiVersion"] = "example.com/v1";
  CHECK(admit(pod, default_policies()).outcome == Outcome::kUntouched);
}
