#include "policies/workload.hpp"

#include <algorithm>
#include <array>

#include "policies/pod.hpp"

namespace gpuinfer::policies {

namespace {

const std::array<WorkloadKind, 7>& kinds() {
  using Pointer = Json::json_pointer;
  static const std::array<WorkloadKind, 7> all{{
      {.api_version = "apps/v1", .kind = "Deployment", .templates = {Pointer("/spec/template")}},
      {.api_version = "apps/v1", .kind = "StatefulSet", .templates = {Pointer("/spec/template")}},
      {.api_version = "apps/v1", .kind = "DaemonSet", .templates = {Pointer("/spec/template")}},
      {.api_version = "apps/v1", .kind = "ReplicaSet", .templates = {Pointer("/spec/template")}},
      {.api_version = "batch/v1", .kind = "Job", .templates = {Pointer("/spec/template")}, .has_fixed_template = true},
      {.api_version = "batch/v1", .kind = "CronJob", .templates = {Pointer("/spec/jobTemplate/spec/template")}},
      {.api_version = "leaderworkerset.x-k8s.io/v1",
       .kind = "LeaderWorkerSet",
       .templates = {Pointer("/spec/leaderWorkerTemplate/leaderTemplate"),
                     Pointer("/spec/leaderWorkerTemplate/workerTemplate")}},
  }};
  return all;
}

}  // namespace

const WorkloadKind* workload_kind(const Json& object) {
  const std::string kind = text_at(object, "kind");
  const std::string api_version = text_at(object, "apiVersion");
  for (const WorkloadKind& known : kinds()) {
    if (known.kind == kind && known.api_version == api_version) return &known;
  }
  return nullptr;
}

bool has_owner_that_compares(const Json& workload) {
  if (text_at(workload, "kind") == "Job") return false;
  const Json& owners = member(member(workload, "metadata"), "ownerReferences");
  return std::any_of(owners.begin(), owners.end(),
                     [](const Json& owner) { return owner.is_object() && member(owner, "controller") == true; });
}

}  // namespace gpuinfer::policies
