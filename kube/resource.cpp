#include "kube/resource.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.hpp"
#include "kube/json_field.hpp"

namespace gpuinfer::kube {

namespace {

struct KnownResource {
  std::string_view api_version, kind, plural;
  bool namespaced;
};

constexpr bool kNamespaced = true;
constexpr bool kClusterWide = false;

constexpr std::array kKnownResources = {
    KnownResource{"v1", "ConfigMap", "configmaps", kNamespaced},
    KnownResource{"v1", "Event", "events", kNamespaced},
    KnownResource{"v1", "Namespace", "namespaces", kClusterWide},
    KnownResource{"v1", "Node", "nodes", kClusterWide},
    KnownResource{"v1", "PersistentVolume", "persistentvolumes", kClusterWide},
    KnownResource{"v1", "PersistentVolumeClaim", "persistentvolumeclaims", kNamespaced},
    KnownResource{"v1", "Pod", "pods", kNamespaced},
    KnownResource{"v1", "Secret", "secrets", kNamespaced},
    KnownResource{"v1", "Service", "services", kNamespaced},
    KnownResource{"v1", "ServiceAccount", "serviceaccounts", kNamespaced},
    KnownResource{"admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations",
                  kClusterWide},
    KnownResource{"apps/v1", "DaemonSet", "daemonsets", kNamespaced},
    KnownResource{"apps/v1", "Deployment", "deployments", kNamespaced},
    KnownResource{"apps/v1", "ReplicaSet", "replicasets", kNamespaced},
    KnownResource{"apps/v1", "StatefulSet", "statefulsets", kNamespaced},
    KnownResource{"authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", kClusterWide},
    KnownResource{"batch/v1", "Job", "jobs", kNamespaced},
    KnownResource{"discovery.k8s.io/v1", "EndpointSlice", "endpointslices", kNamespaced},
    KnownResource{"eks.amazonaws.com/v1", "NodeClass", "nodeclasses", kClusterWide},
    KnownResource{"karpenter.sh/v1", "NodeClaim", "nodeclaims", kClusterWide},
    KnownResource{"karpenter.sh/v1", "NodePool", "nodepools", kClusterWide},
    KnownResource{"networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", kNamespaced},
    KnownResource{"policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", kNamespaced},
    KnownResource{"rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", kClusterWide},
    KnownResource{"rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", kClusterWide},
    KnownResource{"rbac.authorization.k8s.io/v1", "Role", "roles", kNamespaced},
    KnownResource{"rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", kNamespaced},
    KnownResource{"storage.k8s.io/v1", "StorageClass", "storageclasses", kClusterWide},
};

}  // namespace

std::optional<Resource> known_resource(std::string_view api_version, std::string_view kind) {
  for (const KnownResource& known : kKnownResources) {
    if (known.api_version == api_version && known.kind == kind) {
      return Resource{std::string(known.api_version), std::string(known.kind), std::string(known.plural),
                      known.namespaced};
    }
  }
  return std::nullopt;
}

std::string resource_path(const Resource& resource, std::string_view namespace_name, std::string_view name) {
  // Only the core API has versions without a group, under /api.
  std::string path = (resource.api_version.find('/') == std::string::npos ? "/api/" : "/apis/") + resource.api_version;
  if (resource.namespaced && !namespace_name.empty()) path += "/namespaces/" + percent_encode(namespace_name);
  path += "/" + resource.plural;
  if (!name.empty()) path += "/" + percent_encode(name);
  return path;
}

std::string resource_path(std::string_view api_version, std::string_view kind, std::string_view namespace_name,
                          std::string_view name) {
  const std::optional<Resource> resource = known_resource(api_version, kind);
  if (!resource) throw Error("unknown kind " + std::string(kind) + " of " + std::string(api_version));
  return resource_path(*resource, namespace_name, name);
}

std::string object_name(const Json& object) {
  const std::string kind = text_at(object, "/kind");
  const std::string name = text_at(object, "/metadata/name");
  return (kind.empty() ? "object" : kind) + "/" + (name.empty() ? "?" : name);
}

std::string with_query(std::string path, const Query& query) {
  char separator = '?';
  for (const auto& [key, value] : query) {
    if (value.empty()) continue;
    path += separator + percent_encode(key) + "=" + percent_encode(value);
    separator = '&';
  }
  return path;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHexadecimal = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved =
        byte < 0x80 && (std::isalnum(byte) != 0 || std::string_view("-._~").find(c) != std::string_view::npos);
    if (unreserved) {
      encoded += c;
    } else {
      encoded += {'%', kHexadecimal[byte >> 4], kHexadecimal[byte & 15]};
    }
  }
  return encoded;
}

}  // namespace gpuinfer::kube
