#include "policies/exemption.hpp"

#include <algorithm>
#include <string>

#include "policies/annotations.hpp"
#include "policies/pod.hpp"
#include "policies/selector.hpp"

namespace gpuinfer::policies {

bool is_exempt(const Json& object, const InjectionPolicy& policy, std::string_view request_namespace) {
  const std::string space = namespace_of(object, request_namespace);
  const auto& excluded = policy.excluded_namespaces;
  // A mistake in kube-system takes the cluster down, so no document can allow it. A mirror pod is the image of a static
  // pod that runs already; changing it changes nothing and confuses the kubelet.
  return space == "kube-system" ||
         std::any_of(excluded.begin(), excluded.end(),
                     [&](const std::string& pattern) { return fits_glob(space, pattern); }) ||
         annotations_of(object).contains("kubernetes.io/config.mirror");
}

}  // namespace gpuinfer::policies
