// The parts of a pod's raw JSON that policies read and extend.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::policies {

/// Throws Error where a field that policies read has another JSON type than Kubernetes gives it. After it, the
/// functions below are safe. `path` names the pod in the message ("pod", "deployment.spec.template").
void check_pod(const Json& pod, const std::string& path);

/// The namespace that `object` names, or else the one of the request that brought it.
std::string namespace_of(const Json& object, std::string_view request_namespace);

/// One element of spec.containers or spec.initContainers. Ephemeral containers are never looked at.
template <typename JsonType>
struct BasicContainer {
  JsonType* json;
  /// False for an init container that runs to its end before the pod starts; a native sidecar (an init container with
  /// restartPolicy: Always) runs as long as the pod does.
  bool is_long_running;
  bool is_init;  ///< stands in spec.initContainers

  std::string name() const;
};
using Container = BasicContainer<Json>;
using ConstContainer = BasicContainer<const Json>;

/// Containers first, then init containers. They point into `pod` and are good until a key is added to pod.spec, because
/// an ordered object copies its values when it grows.
std::vector<Container> containers(Json& pod);
std::vector<ConstContainer> containers(const Json& pod);

/// The string at `key`, "" where it is absent or null.
std::string text_at(const Json& object, const char* key);

/// The object or list at `key`, or an empty value where it is absent or null.
const Json& member(const Json& object, const char* key);

/// The list at `key`, made where it is absent or null.
Json& list_at(Json& object, const char* key);

/// The element of `list` whose `key` is `value`; null where there is none.
const Json* find_by(const Json& list, const char* key, std::string_view value);

/// True where the container mounts something at `path`, however that is spelled ("/dev/shm/").
bool has_mount_at(const Json& container, std::string_view path);

/// `wanted`, or `wanted`-2, -3 … where the pod has a volume of that name.
std::string free_volume_name(const Json& pod, const std::string& wanted);

bool is_windows(const Json& pod);

}  // namespace gpuinfer::policies
