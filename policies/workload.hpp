// Workloads: the kinds that make pods from templates, and where their templates stand.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::policies {

/// A kind of workload.
struct WorkloadKind {
  std::string_view api_version;
  std::string_view kind;
  std::vector<Json::json_pointer> templates;  ///< where its pod templates stand; an absent one makes no pods
  bool has_fixed_template = false;            ///< the API server refuses to change the template on UPDATE
};

/// The kind of `object`; null where it is no workload.
const WorkloadKind* workload_kind(const Json& object);

/// True where a controller made `workload` and keeps its template as it is: a Deployment replaces a ReplicaSet whose
/// template differs from its own, again and again. A Job's owner (a CronJob, a JobSet) never looks at its template.
bool has_owner_that_compares(const Json& workload);

}  // namespace gpuinfer::policies
