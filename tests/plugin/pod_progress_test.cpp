// Pods on their way, as the cluster describes them.
#include "plugin/pod_progress.hpp"

#include "base/yaml.hpp"
#include "catch.hpp"

namespace gpuinfer::plugin {

namespace {

Json yaml(const std::string& text) { return parse_yaml(text, "pod.yaml")[0].value; }

Json event(const std::string& reason, const std::string& message, const std::string& time = "2026-11-24T18:00:00Z") {
  return {{"reason", reason}, {"message", message}, {"lastTimestamp", time}};
}

constexpr const char* kScheduled = "status: {conditions: [{type: PodScheduled, status: 'True'}]}";

Json with_container(const std::string& container) {
  return yaml("status: {conditions: [{type: PodScheduled, status: 'True'}], containerStatuses: [{name: server, " +
              container + "}]}");
}

}  // namespace

TEST_CASE("a pod without a node says what the scheduler says") {
  const Json pod = yaml(
      "status: {conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: '0/1 nodes: "
      "Insufficient nvidia.com/gpu'}]}");
  PodProgress progress = pod_progress(pod, {});
  CHECK(progress.phase == PodPhase::kPending);
  CHECK(progress.problem == "Unschedulable: 0/1 nodes: Insufficient nvidia.com/gpu");
  CHECK(progress.advice.find("NodePool") != std::string::npos);

  progress =
      pod_progress(pod, {event("FailedScheduling", "all available instance types exceed limits for nodepool \"gpu\"")});
  CHECK(progress.advice.find("limits") != std::string::npos);

  progress = pod_progress(pod, {event("Nominated", "Pod should schedule on: nodeclaim/gpu-x", "2026-11-24T18:00:05Z"),
                                event("FailedScheduling", "0/1 nodes: untolerated taint", "2026-11-24T18:00:01Z")});
  CHECK(progress.problem.find("nodeclaim/gpu-x") != std::string::npos);
}

TEST_CASE("the phases of a cold start follow each other") {
  CHECK(pod_progress(yaml("{}"), {}).phase == PodPhase::kPending);
  CHECK(pod_progress(yaml(kScheduled), {}).phase == PodPhase::kScheduled);
  const Json creating = with_container("state: {waiting: {reason: ContainerCreating}}");
  CHECK(pod_progress(creating, {}).phase == PodPhase::kScheduled);
  CHECK(pod_progress(creating, {event("Pulling", "Pulling image")}).phase == PodPhase::kPulling);
  CHECK(pod_progress(creating, {event("Pulling", ""), event("Pulled", "")}).phase == PodPhase::kScheduled);
  CHECK(pod_progress(with_container("state: {running: {}}"), {}).phase == PodPhase::kLoading);
  CHECK(pod_progress(yaml("status: {conditions: [{type: Ready, status: 'True'}]}"), {}).phase == PodPhase::kReady);
}

TEST_CASE("mounts, images and crashes are explained") {
  const Json creating = with_container("state: {waiting: {reason: ContainerCreating}}");
  PodProgress progress = pod_progress(
      creating, {event("FailedMount", "driver name s3.csi.aws.com not found in the list of registered CSI drivers")});
  CHECK(progress.problem.find("FailedMount") == 0);
  CHECK(progress.advice.find("CSI driver") != std::string::npos);

  progress = pod_progress(with_container("state: {waiting: {reason: ImagePullBackOff, message: 'x: not found'}}"), {});
  CHECK(progress.phase == PodPhase::kPulling);
  CHECK(progress.problem == "ImagePullBackOff: x: not found");
  CHECK_FALSE(progress.advice.empty());

  progress = pod_progress(
      with_container(
          "restartCount: 1, state: {running: {}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}"),
      {});
  CHECK(progress.problem.find("OOMKilled") != std::string::npos);
  CHECK_FALSE(progress.failing);
  progress = pod_progress(
      with_container(
          "restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1}}"),
      {});
  CHECK(progress.problem == "the server ended with exit code 1, 3 times");
  CHECK(progress.failing);
}

TEST_CASE("a message that nobody knows gets no advice") { CHECK(advice_for("something new").empty()); }

}  // namespace gpuinfer::plugin
