// What a policy is: a pure function that changes a pod's raw JSON where something is missing, and says why.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "policies/annotations.hpp"
#include "policies/settings.hpp"

namespace gpuinfer::policies {

/// What a policy may look at besides the pod.
struct Context {
  const Annotations& annotations;
  const InjectionPolicy& document;
};

/// What a policy has to say: one line for each change, one for each thing that the user should know.
struct Findings {
  std::vector<std::string> reasons;
  std::vector<std::string> warnings;
};

/// One policy. `apply` only fills gaps, so that applying it again changes nothing. It may throw AnnotationError; the
/// pod that it was given is then thrown away.
struct Policy {
  std::string_view name;
  bool (*is_enabled)(const Context&);
  void (*apply)(Json& pod, const Context&, Findings&);
};

/// Tolerates the taint of GPU nodes where a container asks for a GPU.
extern const Policy gpu_toleration;

/// Gives containers that ask for a GPU a /dev/shm of a bounded size instead of the 64 MiB of the container runtime,
/// which NCCL and multi-process servers outgrow.
extern const Policy shared_memory;

/// Pulls images through ECR: by a table of upstream hosts and pull-through-cache prefixes. Remembers the original.
extern const Policy image_registry;

/// Mounts the weights, read-only: a claim, a folder of the node, or an OCI image.
extern const Policy model_storage;

/// Sets GPUINFER_MODEL, the region, the API key and other variables of model servers.
extern const Policy environment;

/// Sends the pod to nodes with the right instances, GPUs, prices and zones: required node affinity.
extern const Policy placement;

/// Startup, readiness and liveness probes, a drain before SIGTERM, and a grace period that is long enough for it.
extern const Policy probes;

/// The security contexts that Pod Security "restricted" asks for.
extern const Policy hardening;

/// Protects the pod from Karpenter's consolidation for a while.
extern const Policy disruption;

}  // namespace gpuinfer::policies
