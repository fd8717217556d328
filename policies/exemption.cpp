#include "policies/exemption.hpp"

#include <algorithm>
#include <string>

#include "policies/annotations.hpp"
#include "policies/pod.hpp"

namespace gpuinfer::policies {

bool is_exempt(const Json& object, const InjectionPolicy& policy, std::string_view request_namespace) {
  const std::string own = text_at(member(object, "metadata"), "namespace");
  const std::string_view space = own.empty() ? request_namespace : std::string_view(own);
  const auto& excluded = policy.excluded_namespaces;
  // A mistake in kube-system takes the cluster down, so no document can allow it. A mirror pod is the image of a static
  // pod that runs already; changing it changes nothing and confuses the kubelet.
  return space == "kube-system" || std::find(excluded.begin(), excluded.end(), space) != excluded.end() ||
         annotations_of(object).contains("kubernetes.io/config.mirror");
}

}  // namespace gpuinfer::policies
