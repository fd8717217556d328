// Which containers ask for GPUs, and for how many.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "policies/pod.hpp"
#include "policies/policy.hpp"

namespace gpuinfer::policies {

/// How many devices of the family `key` the container requests. A family is the resource itself and its slices:
/// nvidia.com/gpu with nvidia.com/gpu.shared and nvidia.com/mig-1g.5gb, aws.amazon.com/neuron with
/// aws.amazon.com/neuroncore. Throws Error where the amount is no quantity.
std::int64_t requested_gpus(const Json& container, const std::string& key);

/// The same over all `keys`.
std::int64_t requested_gpus(const Json& container, const std::vector<std::string>& keys);

/// The containers that GPU policies are about: those that the `containers` annotation names; else those that request a
/// GPU; else, where the `gpus` annotation says that there are some, all long-running ones. Throws AnnotationError where
/// the annotation names a container that the pod does not have.
std::vector<Container> gpu_containers(Json& pod, const Context& context);

/// Beginnings of the names under which device plugins offer parts of a `key` device: "nvidia.com/mig-".
std::vector<std::string> slice_prefixes(const std::string& key);

/// The containers that serve a model: the GPU containers, or in a pod without any all of spec.containers.
std::vector<Container> serving_containers(Json& pod, const Context& context);

}  // namespace gpuinfer::policies
