// What `explain` says of pods.
#include "plugin/explanation.hpp"

#include "catch.hpp"
#include "policies/admit.hpp"

namespace gpuinfer::plugin {

namespace {

using State = PolicyExplanation::State;

Json pod() {
  return Json::parse(R"({
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "x", "namespace": "models", "annotations": {"gpuinfer.dev/inject": "true", "gpuinfer.dev/model": "a/b"}},
    "spec": {"containers": [{"name": "server", "image": "busybox", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}})");
}

Json injected(const Json& object) { return policies::admit(object, policies::default_policies()).object; }

const PolicyExplanation& of(const Explanation& explanation, const std::string& policy) {
  for (const PolicyExplanation& one : explanation.policies) {
    if (one.policy == policy) return one;
  }
  throw Error("no such policy: " + policy);
}

Explanation explain_by_default(const Json& live, const Original& original) {
  return explain(live, original, policies::default_policies(), {});
}

}  // namespace

TEST_CASE("each field that a policy wrote is named, with the reason") {
  Json live = injected(pod());
  // Somebody else's sidecar has come first, and the API server has added defaults.
  const Json proxy = {{"name", "proxy"}, {"image", "proxy"}};
  live["spec"]["containers"].insert(live["spec"]["containers"].begin(), proxy);
  live["spec"]["tolerations"][0]["tolerationSeconds"] = nullptr;
  const Explanation explanation = explain_by_default(live, {pod(), "the template of ReplicaSet/x"});
  CHECK(explanation.is_injected);
  CHECK(explanation.summary == "injected by policy document 'default'");
  CHECK(of(explanation, "gpu_toleration").state == State::kDone);
  CHECK(of(explanation, "gpu_toleration").fields == std::vector<std::string>{"spec.tolerations"});
  const PolicyExplanation& shared_memory = of(explanation, "shared_memory");
  CHECK(shared_memory.state == State::kDone);
  CHECK(std::find(shared_memory.fields.begin(), shared_memory.fields.end(), "spec.containers[server].volumeMounts") !=
        shared_memory.fields.end());
  CHECK(of(explanation, "image_registry").state == State::kIdle);
  CHECK(of(explanation, "hardening").state == State::kOff);
}

TEST_CASE("a field that the policies would write now and the pod lacks is told") {
  Json live = injected(pod());
  live["spec"]["tolerations"] = Json::array();
  const Explanation explanation = explain_by_default(live, {pod(), "the template"});
  CHECK(of(explanation, "gpu_toleration").state == State::kMissing);
  CHECK(of(explanation, "shared_memory").state == State::kDone);
}

TEST_CASE("without an owner, the original is what kubectl applied, or what is left without our names") {
  const Json live = injected(pod());
  const Original undone = original_of(live);
  CHECK(undone.pod["spec"].dump().find("gpuinfer") == std::string::npos);
  CHECK(of(explain_by_default(live, undone), "model_storage").state == State::kDone);
  Json applied = live;
  applied["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = pod().dump();
  CHECK(original_of(applied).pod == pod());
}

TEST_CASE("why a pod was not injected") {
  const auto summary = [](const char* annotation, const char* value) {
    Json object = pod();
    object["metadata"]["annotations"].erase("gpuinfer.dev/inject");
    if (annotation != nullptr) object["metadata"]["annotations"][annotation] = value;
    return explain_by_default(object, original_of(object)).summary;
  };
  CHECK(summary(nullptr, "") == "not injected: it has no annotation gpuinfer.dev/inject");
  CHECK(summary("gpuinfer.dev/inject", "false").find("\"false\"") != std::string::npos);
  CHECK(summary("gpuinfer.dev/inject", "yes") == "not injected: its annotations are wrong");
  CHECK(summary("gpuinfer.dev/inject", "true").find("the webhook did not answer") != std::string::npos);
}

TEST_CASE("a pending pod is explained with the scheduler's words") {
  Json live = injected(pod());
  live["status"] = {{"phase", "Pending"}};
  const Json event = {{"reason", "FailedScheduling"},
                      {"message", "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."}};
  const Explanation explanation = explain(live, {pod(), "x"}, policies::default_policies(), {event});
  CHECK(explanation.problem.find("Insufficient nvidia.com/gpu") != std::string::npos);
  CHECK_FALSE(explanation.problem_advice.empty());
}

}  // namespace gpuinfer::plugin
