// The settings of every policy: what the policy documents that pick an object add up to.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gpuinfer::policies {

/// What happens to an object whose gpuinfer.dev/ annotations are wrong.
enum class OnInvalidAnnotation {
  kWarn,  ///< it is admitted as it came, with a warning
  kDeny,  ///< it is refused with the reason
};

/// Which devices count as GPUs, by resource name; the taint of their nodes has the same key.
struct GpuTolerationSettings {
  bool enabled = false;
  std::vector<std::string> keys;
};

/// How large /dev/shm becomes: `per_gpu_bytes` for each GPU, at most `maximum_bytes`, and at most
/// `memory_limit_percent` of the memory limit, because what is written there counts against that limit.
struct SharedMemorySettings {
  bool enabled = false;
  std::int64_t per_gpu_bytes = 0;
  std::int64_t maximum_bytes = 0;
  std::int64_t memory_limit_percent = 0;
};

/// Where images come from. An empty `registry` turns the policy off.
struct ImageRegistrySettings {
  bool enabled = false;
  std::string registry;                         ///< a host, with a port and a path where needed
  std::map<std::string, std::string> rewrites;  ///< upstream host → prefix in `registry` ("" for none)
};

/// Where weights are: claims in the pod's own namespace, mounted at `mount_path`.
struct ModelStorageSettings {
  bool enabled = false;
  std::string default_claim;
  std::string mount_path;
  std::map<std::string, std::string> storage;  ///< a store's name in the annotation → a claim's name
};

/// What one object meets.
struct InjectionPolicy {
  std::string name;  ///< of the documents that it comes from, for gpuinfer.dev/injected: "default", "platform+team-a"
  OnInvalidAnnotation on_invalid_annotation = OnInvalidAnnotation::kWarn;
  bool inject_selected = false;                  ///< pods are injected that carry no gpuinfer.dev/inject at all
  std::vector<std::string> excluded_namespaces;  ///< names, or globs such as "team-*"
  GpuTolerationSettings gpu_toleration;
  SharedMemorySettings shared_memory;
  ImageRegistrySettings image_registry;
  ModelStorageSettings model_storage;
};

}  // namespace gpuinfer::policies
