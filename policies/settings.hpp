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

/// Who makes the nodes: it decides which labels they carry and where their NVMe disks are mounted.
enum class Provisioner {
  kAutoMode,   ///< EKS Auto Mode: labels under eks.amazonaws.com/
  kKarpenter,  ///< plain Karpenter: labels under karpenter.k8s.aws/
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

/// Where images come from.
struct ImageRegistrySettings {
  bool enabled = false;
  std::string registry;  ///< a host, with a port and a path where needed; empty: only targets with a host of their own
  /// Upstream host, or host and the beginning of a path → prefix in `registry` ("" for none), or HOST[/PREFIX].
  std::map<std::string, std::string> rewrites;
};

/// A place that holds weights.
struct Store {
  enum class Kind {
    kClaim,       ///< a PersistentVolumeClaim of the pod's namespace: S3, EFS, FSx, EBS and anything else
    kHostPath,    ///< a folder of the node
    kNvmeFolder,  ///< a folder below the mount of the node's NVMe disks, which depends on the provisioner
    kImage,       ///< an OCI image per model, mounted as an image volume
  };
  Kind kind = Kind::kClaim;
  std::string source;  ///< the claim, path, folder or image reference with "{model}" in it
  std::string zone;    ///< where a zonal store is (us-west-2a, or the zone ID usw2-az1); empty: everywhere
};

/// Where weights are, mounted at `mount_path`.
struct ModelStorageSettings {
  bool enabled = false;
  std::string default_storage;  ///< what pods get that name none: a store or a claim
  std::string mount_path;
  std::map<std::string, Store> storage;  ///< by the name that the annotation uses
};

/// What a node must be; an empty member asks for nothing.
struct NodeRequirements {
  std::vector<std::string> instance_categories;  ///< "g", "p"
  std::vector<std::string> instance_families;    ///< "g6e"
  std::int64_t instance_generation = 0;          ///< at least
  std::vector<std::string> gpu_names;            ///< "l4", "l40s"
  std::int64_t gpu_memory_bytes = 0;             ///< of each GPU, at least
  std::vector<std::int64_t> gpu_counts;          ///< of the whole machine
  std::vector<std::string> capacity_types;       ///< "on-demand", "spot", "reserved"
  std::vector<std::string> zones;                ///< names (us-west-2a) or IDs (usw2-az1)

  bool operator==(const NodeRequirements&) const = default;
};

/// Which nodes pods with GPUs go to.
struct PlacementSettings {
  bool enabled = false;
  NodeRequirements nodes;
};

/// How kubelet watches a model server, and how it goes away.
struct ProbesSettings {
  bool enabled = false;
  std::string path;                       ///< of the HTTP request that finds out whether the server is well
  std::int64_t startup_seconds = 0;       ///< how long loading may take
  std::int64_t drain_seconds = 0;         ///< between leaving the Service and SIGTERM; 0: none
  std::int64_t grace_period_seconds = 0;  ///< for the requests that are under way, drain included
};

/// Pod Security "restricted".
struct HardeningSettings {
  bool enabled = false;
  std::int64_t run_as_user = 0;  ///< for pods that name no user; 0: as the image says, which then must not be root
};

/// Protection from Karpenter's consolidation.
struct DisruptionSettings {
  bool enabled = false;
  std::string protect_for;  ///< a Go duration such as 30m, or "always"
};

/// What model servers find in their environment.
struct EnvironmentSettings {
  bool enabled = false;
  std::string region;                            ///< AWS_REGION and AWS_DEFAULT_REGION; empty: not set
  std::string api_key_secret;                    ///< the Secret whose key api-key is GPUINFER_API_KEY; empty: none
  std::map<std::string, std::string> variables;  ///< any others
};

/// What one object meets.
struct InjectionPolicy {
  std::string name;  ///< of the documents that it comes from, for gpuinfer.dev/injected: "default", "platform+team-a"
  OnInvalidAnnotation on_invalid_annotation = OnInvalidAnnotation::kWarn;
  bool inject_selected = false;                  ///< pods are injected that carry no gpuinfer.dev/inject at all
  std::vector<std::string> excluded_namespaces;  ///< names, or globs such as "team-*"
  Provisioner provisioner = Provisioner::kAutoMode;
  GpuTolerationSettings gpu_toleration;
  SharedMemorySettings shared_memory;
  ImageRegistrySettings image_registry;
  ModelStorageSettings model_storage;
  EnvironmentSettings environment;
  PlacementSettings placement;
  ProbesSettings probes;
  HardeningSettings hardening;
  DisruptionSettings disruption;
};

}  // namespace gpuinfer::policies
