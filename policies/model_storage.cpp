// The policy model_storage: the volume that holds the weights.
#include <algorithm>

#include "policies/gpu_request.hpp"
#include "policies/policy.hpp"
#include "policies/store.hpp"

namespace gpuinfer::policies {

namespace {

constexpr const char* kVolumeName = "gpuinfer-models";

/// The name of the pod's volume of weights, which is made where it is missing.
std::string ensure_volume(Json& pod, const WeightsVolume& weights) {
  if (std::string name = name_of_same_volume(pod, weights); !name.empty()) return name;
  const std::string name = free_volume_name(pod, kVolumeName);
  list_at(pod["spec"], "volumes").push_back({{"name", name}, {weights.type, weights.source}});
  return name;
}

void apply(Json& pod, const Context& context, Findings& findings) {
  const WeightsVolume weights = weights_volume(context);
  const std::string& path = weights.mount_path;
  const auto has_mount = [&](const Container& container) { return has_mount_at(*container.json, path); };
  const std::vector<Container> servers = serving_containers(pod, context);
  if (std::all_of(servers.begin(), servers.end(), has_mount)) return;

  const std::string volume = ensure_volume(pod, weights);
  for (const Container& container : serving_containers(pod, context)) {  // anew: ensure_volume() may have moved them
    if (has_mount(container)) continue;
    // Read-only at the mount, not at the volume: a loader on the same node may still write through the same claim.
    list_at(*container.json, "volumeMounts").push_back({{"name", volume}, {"mountPath", path}, {"readOnly", true}});
    findings.reasons.push_back("mounts " + weights.description + " at " + path + " of container '" + container.name() +
                               "'");
  }
}

}  // namespace

const Policy model_storage{"model_storage", wants_weights, apply};

}  // namespace gpuinfer::policies
