// Propagation: a workload's gpuinfer.dev/ annotations go to its pod template, nothing else, so that GitOps tools see no
// drift; the pods that it makes get the real injection.
#pragma once

#include "base/json.hpp"
#include "policies/inject.hpp"

namespace gpuinfer::policies {

/// True for the kinds whose annotations are propagated (apps/v1 Deployment).
bool is_workload(const Json& object);

/// Copies the gpuinfer.dev/ annotations that the pod template lacks; one that it has keeps its value, with a warning
/// where the two differ. Wrong annotations end as in inject(). Throws Error as inject() does.
Injection propagate(const Json& workload, const InjectionPolicy& policy, std::string_view request_namespace = {});

/// The pod that `workload` would make: its template as a v1 Pod, named after it and in its namespace.
Json pod_of(const Json& workload);

}  // namespace gpuinfer::policies
