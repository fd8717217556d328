#include "policies/pod.hpp"

#include <filesystem>

#include "policies/shape.hpp"

namespace gpuinfer::policies {

namespace {

Shape security_context_shape() {
  return object({{"capabilities", object({{"add", list(text())}, {"drop", list(text())}})}});
}

Shape container_shape() {
  const Shape resources = object({{"limits", map_of_anything()}, {"requests", map_of_anything()}});
  const Shape mount = object({{"name", text()}, {"mountPath", text()}});
  return object({{"name", text()},
                 {"image", text()},
                 {"restartPolicy", text()},
                 {"resources", resources},
                 {"env", list(object({{"name", text()}}))},
                 {"ports", list(object({{"name", text()}, {"protocol", text()}}))},
                 {"volumeMounts", list(mount)},
                 {"startupProbe", object({})},
                 {"readinessProbe", object({})},
                 {"livenessProbe", object({})},
                 {"lifecycle", object({})},
                 {"securityContext", security_context_shape()}});
}

Shape volume_shape() {
  return object({{"name", text()},
                 {"persistentVolumeClaim", object({{"claimName", text()}})},
                 {"hostPath", object({{"path", text()}})},
                 {"image", object({{"reference", text()}})}});
}

Shape affinity_shape() {
  const Shape term = object({{"matchExpressions", list(object({{"key", text()}}))}, {"matchFields", list(object({}))}});
  const Shape required = object({{"nodeSelectorTerms", list(term)}});
  return object({{"nodeAffinity", object({{"requiredDuringSchedulingIgnoredDuringExecution", required}})}});
}

Shape pod_shape() {
  const Shape toleration = object({{"key", text()}, {"operator", text()}, {"effect", text()}});
  const Shape spec = object({{"containers", list(container_shape())},
                             {"initContainers", list(container_shape())},
                             {"tolerations", list(toleration)},
                             {"volumes", list(volume_shape())},
                             {"resources", object({{"limits", map_of_anything()}})},
                             {"hostIPC", boolean()},
                             {"os", object({{"name", text()}})},
                             {"nodeName", text()},
                             {"nodeSelector", map(text())},
                             {"affinity", affinity_shape()},
                             {"securityContext", security_context_shape()}});
  const Shape metadata = object({{"name", text()},
                                 {"generateName", text()},
                                 {"namespace", text()},
                                 {"labels", map(text())},
                                 {"annotations", map(text())},
                                 {"ownerReferences", list(object({{"kind", text()}}))}});
  return object({{"metadata", metadata}, {"spec", spec}});
}

std::string normal_path(const std::string& path) {
  std::string normal = std::filesystem::path(path).lexically_normal().string();
  if (normal.size() > 1 && normal.ends_with('/')) normal.pop_back();
  // POSIX lets "//x" mean something else; Linux does not.
  if (normal.starts_with("//")) normal.erase(0, normal.find_first_not_of('/') - 1);
  return normal;
}

}  // namespace

void check_pod(const Json& pod, const std::string& path) {
  static const Shape shape = pod_shape();
  check_shape(pod, shape, path);
}

namespace {

template <typename JsonType>
std::vector<BasicContainer<JsonType>> containers_of(JsonType& pod) {
  std::vector<BasicContainer<JsonType>> result;
  const auto spec = pod.find("spec");
  if (spec == pod.end() || spec->is_null()) return result;
  for (const char* key : {"containers", "initContainers"}) {
    const auto found = spec->find(key);
    if (found == spec->end() || found->is_null()) continue;
    const bool is_init = key == std::string_view("initContainers");
    for (JsonType& container : *found) {
      if (!container.is_object()) continue;
      const bool is_sidecar = text_at(container, "restartPolicy") == "Always";
      result.push_back({&container, !is_init || is_sidecar, is_init});
    }
  }
  return result;
}

}  // namespace

template <typename JsonType>
std::string BasicContainer<JsonType>::name() const {
  return text_at(*json, "name");
}
template struct BasicContainer<Json>;
template struct BasicContainer<const Json>;

std::vector<Container> containers(Json& pod) { return containers_of(pod); }
std::vector<ConstContainer> containers(const Json& pod) { return containers_of(pod); }

std::string namespace_of(const Json& object, std::string_view request_namespace) {
  std::string own = text_at(member(object, "metadata"), "namespace");
  return own.empty() ? std::string(request_namespace) : own;
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json& member(const Json& object, const char* key) {
  static const Json empty;
  const auto found = object.find(key);
  return found != object.end() ? *found : empty;
}

Json& list_at(Json& object, const char* key) {
  Json& list = object[key];
  if (list.is_null()) list = Json::array();
  return list;
}

const Json* find_by(const Json& list, const char* key, std::string_view value) {
  for (const Json& element : list) {
    if (element.is_object() && text_at(element, key) == value) return &element;
  }
  return nullptr;
}

bool has_mount_at(const Json& container, std::string_view path) {
  for (const Json& mount : member(container, "volumeMounts")) {
    if (mount.is_object() && normal_path(text_at(mount, "mountPath")) == path) return true;
  }
  return false;
}

std::string free_volume_name(const Json& pod, const std::string& wanted) {
  const Json& volumes = member(member(pod, "spec"), "volumes");
  std::string name = wanted;
  for (int i = 2; find_by(volumes, "name", name) != nullptr; ++i) name = wanted + "-" + std::to_string(i);
  return name;
}

bool is_windows(const Json& pod) {
  const Json& spec = member(pod, "spec");
  return text_at(member(spec, "os"), "name") == "windows" ||
         text_at(member(spec, "nodeSelector"), "kubernetes.io/os") == "windows";
}

}  // namespace gpuinfer::policies
