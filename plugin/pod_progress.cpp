// Reads a pod's status the way an experienced operator does.
#include "plugin/pod_progress.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace gpuinfer::plugin {

namespace {

/// More than one restart: a single one may be a node's hiccup.
constexpr int kRestartsOfAFailingPod = 2;

/// A piece of a message, and what helps. The first match wins, so the special cases come before the general ones.
struct Advice {
  std::string_view piece;
  std::string_view text;
};

// Messages of kube-scheduler, Karpenter / EKS Auto Mode (event sources "karpenter" and "eks-auto-mode/compute"), EC2
// and the kubelet.
constexpr std::array kAdvice = {
    Advice{"Pod should schedule on", "a node is on its way; 'kubectl get nodeclaims' shows it"},
    Advice{"exceed limits for nodepool",
           "the NodePool's limits leave no room: raise spec.limits, which count whole nodes, not pods"},
    Advice{"VcpuLimitExceeded",
           "the account's vCPU quota for this instance family is used up: ask for more under Service Quotas, EC2"},
    Advice{"MaxSpotInstanceCountExceeded",
           "the account's spot quota is used up: ask for more under Service Quotas, EC2, or allow on-demand in the "
           "NodePool"},
    Advice{"InsufficientCapacity",
           "EC2 has none of these instances now: allow more instance types or zones in the NodePool"},
    Advice{"UnfulfillableCapacity",
           "EC2 has none of these instances now: allow more instance types or zones in the NodePool"},
    Advice{"ServiceLinkedRoleCreationNotPermitted",
           "create the spot role once: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"},
    Advice{"no instance type",
           "no instance type of the NodePool is big enough or has the labels asked for; 'kubectl gpuinfer models "
           "describe' names one that fits"},
    Advice{"Insufficient nvidia.com/gpu",
           "no node has a free GPU; a NodePool that makes GPU nodes comes with 'kubectl gpuinfer scaffold'"},
    Advice{"Insufficient cpu", "no node has enough free CPU"},
    Advice{"Insufficient memory", "no node has enough free memory"},
    Advice{"untolerated taint",
           "the pod does not tolerate the GPU nodes' taint: was the webhook there when the pod was made? 'kubectl "
           "gpuinfer install' installs it"},
    Advice{"did not tolerate",
           "the pod does not tolerate the GPU nodes' taint: was the webhook there when the pod was made? 'kubectl "
           "gpuinfer install' installs it"},
    Advice{"unbound immediate PersistentVolumeClaims",
           "the claim with the weights is not bound: 'kubectl get pvc' shows it, 'kubectl describe pvc' says why"},
    Advice{
        "persistentvolumeclaim",
        "the claim with the weights does not exist in this namespace: create it, or name another one with --storage"},
    Advice{"not found in the list of registered CSI drivers", "the storage's CSI driver is not installed on the node"},
    Advice{"volume node affinity conflict", "the volume is in another zone than the GPU nodes"},
    Advice{"ErrImageNeverPull", "the image is not on the node and imagePullPolicy forbids pulling it"},
    Advice{"403",
           "the registry refuses: the node's role needs permission to pull (for a pull-through cache also "
           "ecr:BatchImportUpstreamImage)"},
    Advice{"not found", "check the image's name and version, and that the registry has it"},
};

const Json& list_at(const Json& object, const Json::json_pointer& pointer) {
  static const Json empty = Json::array();
  return object.contains(pointer) && object.at(pointer).is_array() ? object.at(pointer) : empty;
}

std::string text_at(const Json& object, const char* field) {
  const auto found = object.find(field);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

const Json* condition(const Json& pod, const std::string& type) {
  for (const Json& candidate : list_at(pod, "/status/conditions"_json_pointer)) {
    if (text_at(candidate, "type") == type) return &candidate;
  }
  return nullptr;
}

bool is_true(const Json* condition) { return condition != nullptr && text_at(*condition, "status") == "True"; }

/// When an event was last seen; RFC 3339 times in UTC sort as text.
std::string time_of(const Json& event) {
  for (const char* field : {"lastTimestamp", "eventTime", "firstTimestamp"}) {
    if (std::string time = text_at(event, field); !time.empty()) return time;
  }
  return event.contains("metadata") ? text_at(event["metadata"], "creationTimestamp") : "";
}

/// The newest event with one of `reasons`.
const Json* newest(const std::vector<Json>& events, const std::vector<std::string>& reasons) {
  const Json* best = nullptr;
  for (const Json& event : events) {
    if (std::find(reasons.begin(), reasons.end(), text_at(event, "reason")) == reasons.end()) continue;
    if (best == nullptr || time_of(event) >= time_of(*best)) best = &event;
  }
  return best;
}

void set_problem(PodProgress& progress, const std::string& reason, const std::string& message) {
  progress.problem = reason.empty() || message.empty() ? reason + message : reason + ": " + message;
  progress.advice = advice_for(progress.problem);
}

/// Before a node: what the scheduler or the node provisioner said last.
void explain_pending(PodProgress& progress, const Json& pod, const std::vector<Json>& events) {
  if (const Json* event = newest(events, {"Nominated", "FailedScheduling"})) {
    set_problem(progress, text_at(*event, "reason"), text_at(*event, "message"));
  } else if (const Json* scheduled = condition(pod, "PodScheduled")) {
    set_problem(progress, text_at(*scheduled, "reason"), text_at(*scheduled, "message"));
  }
}

/// On a node, container not running: volumes, the image, or a crash.
void explain_waiting(PodProgress& progress, const Json& waiting, const std::vector<Json>& events) {
  const std::string reason = text_at(waiting, "reason");
  if (reason == "ContainerCreating" || reason == "PodInitializing") {
    if (newest(events, {"Pulling"}) != nullptr && newest(events, {"Pulled"}) == nullptr)
      progress.phase = PodPhase::kPulling;
    if (const Json* event = newest(events, {"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"})) {
      set_problem(progress, text_at(*event, "reason"), text_at(*event, "message"));
    }
    return;
  }
  if (reason.find("Image") != std::string::npos) progress.phase = PodPhase::kPulling;
  set_problem(progress, reason, text_at(waiting, "message"));
}

std::string describe_end(const Json& terminated) {
  if (text_at(terminated, "reason") == "OOMKilled") return "the server ran out of memory (OOMKilled)";
  return "the server ended with exit code " + std::to_string(terminated.value("exitCode", 0));
}

}  // namespace

std::string to_string(PodPhase phase) {
  switch (phase) {
    case PodPhase::kPending:
      return "waiting for a node";
    case PodPhase::kScheduled:
      return "node found";
    case PodPhase::kPulling:
      return "pulling the image";
    case PodPhase::kLoading:
      return "loading the model";
    case PodPhase::kReady:
      return "ready";
  }
  return "";
}

std::string advice_for(const std::string& message) {
  for (const Advice& advice : kAdvice) {
    if (message.find(advice.piece) != std::string::npos) return std::string(advice.text);
  }
  return "";
}

PodProgress pod_progress(const Json& pod, const std::vector<Json>& events) {
  PodProgress progress;
  if (is_true(condition(pod, "Ready"))) {
    progress.phase = PodPhase::kReady;
    return progress;
  }
  if (!is_true(condition(pod, "PodScheduled"))) {
    explain_pending(progress, pod, events);
    return progress;
  }
  progress.phase = PodPhase::kScheduled;
  for (const Json& container : list_at(pod, "/status/containerStatuses"_json_pointer)) {
    if (text_at(container, "name") != "server") continue;
    progress.restarts = container.value("restartCount", 0);
    progress.failing = progress.restarts >= kRestartsOfAFailingPod;
    const Json state = container.value("state", Json::object());
    const Json last = container.value("lastState", Json::object());
    if (state.contains("running")) {
      progress.phase = PodPhase::kLoading;
    } else if (state.contains("waiting")) {
      explain_waiting(progress, state["waiting"], events);
    } else if (state.contains("terminated")) {
      progress.problem = describe_end(state["terminated"]);
    }
    if (progress.restarts > 0 && last.contains("terminated")) {
      progress.problem = describe_end(last["terminated"]) + ", " + std::to_string(progress.restarts) + " times";
      progress.advice = "";
    }
  }
  return progress;
}

}  // namespace gpuinfer::plugin
