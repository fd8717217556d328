// Propagation: a workload's gpuinfer.dev/ annotations go to its pod templates, nothing else, so that GitOps tools see
// no drift; the pods that it makes get the real injection.
#pragma once

#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "policies/inject.hpp"

namespace gpuinfer::policies {

/// True for the kinds that make pods from a template: Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob,
/// LeaderWorkerSet.
bool is_workload(const Json& object);

/// True for a workload whose pod template may change on UPDATE (a Job's may not).
bool may_change_on_update(const Json& object);

/// Copies the gpuinfer.dev/ annotations that a pod template lacks; one that its author wrote keeps its value, with a
/// warning where the two differ. Copies follow the workload later: they change with it and go with it. Wrong
/// annotations end as in inject(). A workload whose owner keeps its template as it is (the ReplicaSet of a Deployment)
/// is left alone. Throws Error as inject() does.
Injection propagate(const Json& workload, const PolicySet& policies, std::string_view request_namespace = {});

/// The pods that `workload` would make, one for each of its templates: as a v1 Pod, named after it and in its
/// namespace.
std::vector<Json> pods_of(const Json& workload);

}  // namespace gpuinfer::policies
