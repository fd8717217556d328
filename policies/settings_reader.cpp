#include "policies/settings_reader.hpp"

#include <optional>
#include <utility>

namespace gpuinfer::policies {

namespace {

/// Turns the values that a section gives into writes to one policy's settings.
template <typename Settings>
class Writer {
 public:
  Writer(Settings InjectionPolicy::*settings, std::vector<SettingWrite>& writes)
      : settings_(settings), writes_(writes) {}

  template <typename T>
  void operator()(T Settings::*field, std::optional<T> value) const {
    if (!value) return;
    writes_.push_back([settings = settings_, field, value = std::move(*value)](InjectionPolicy& policy) {
      (policy.*settings).*field = value;
    });
  }

 private:
  Settings InjectionPolicy::*settings_;
  std::vector<SettingWrite>& writes_;
};

void read(DocumentSection& section, const Writer<GpuTolerationSettings>& write) {
  using Settings = GpuTolerationSettings;
  write(&Settings::enabled, section.boolean("enabled"));
  write(&Settings::keys, section.texts("keys", kDeviceName));
}

void read(DocumentSection& section, const Writer<SharedMemorySettings>& write) {
  using Settings = SharedMemorySettings;
  write(&Settings::enabled, section.boolean("enabled"));
  write(&Settings::per_gpu_bytes, section.bytes("perGpu"));
  write(&Settings::maximum_bytes, section.bytes("maximum"));
  write(&Settings::memory_limit_percent, section.whole_number("memoryLimitPercent", 1, 100));
}

void read(DocumentSection& section, const Writer<ImageRegistrySettings>& write) {
  using Settings = ImageRegistrySettings;
  write(&Settings::enabled, section.boolean("enabled"));
  write(&Settings::registry, section.text("registry", kRegistry));
  write(&Settings::rewrites, section.text_map("rewrites", kUpstream, kRewriteTarget));
}

Store read_store(DocumentSection section) {
  Store store;
  int sources = 0;
  const auto take = [&](Store::Kind kind, const std::optional<std::string>& source) {
    if (!source) return;
    store.kind = kind;
    store.source = *source;
    ++sources;
  };
  take(Store::Kind::kClaim, section.text("claim", kClaimName));
  take(Store::Kind::kHostPath, section.text("hostPath", kPath));
  take(Store::Kind::kNvmeFolder, section.text("nvmeFolder", kRelativePath));
  take(Store::Kind::kImage, section.text("image", kImageOfModels));
  if (sources != 1) section.fail("", "must have one of claim, hostPath, nvmeFolder and image");
  store.zone = section.text("zone", kZone).value_or("");
  section.close();
  return store;
}

void read(DocumentSection& section, const Writer<ModelStorageSettings>& write) {
  using Settings = ModelStorageSettings;
  write(&Settings::enabled, section.boolean("enabled"));
  write(&Settings::mount_path, section.text("mountPath", kPath));
  write(&Settings::default_storage, section.text("defaultStorage", kStoreOrClaimName));
  const auto stores = section.section_map("storage", kStoreName);
  if (!stores) return;
  std::map<std::string, Store> storage;
  for (const auto& [name, store] : *stores) storage[name] = read_store(store);
  write(&Settings::storage, std::optional(std::move(storage)));
}

void read(DocumentSection& section, const Writer<EnvironmentSettings>& write) {
  using Settings = EnvironmentSettings;
  write(&Settings::enabled, section.boolean("enabled"));
  write(&Settings::region, section.text("region", kRegionOrEmpty));
  write(&Settings::api_key_secret, section.text("apiKeySecret", kSecretNameOrEmpty));
  write(&Settings::variables, section.text_map("variables", kVariableName, kAnyText));
}

/// Node requirements count as a whole: a document that gives one of them replaces all that earlier ones gave.
void read(DocumentSection& section, const Writer<PlacementSettings>& write) {
  using Settings = PlacementSettings;
  write(&Settings::enabled, section.boolean("enabled"));
  std::optional<DocumentSection> nodes = section.section("nodes");
  if (!nodes) return;
  NodeRequirements wanted;
  constexpr std::int64_t kMaxGeneration = 99;
  constexpr std::int64_t kMaxGpus = 1024;
  const std::vector<std::string> none;
  wanted.instance_categories = nodes->texts("instanceCategories", kInstanceCategory).value_or(none);
  wanted.instance_families = nodes->texts("instanceFamilies", kInstanceFamily).value_or(none);
  wanted.instance_generation = nodes->whole_number("minInstanceGeneration", 1, kMaxGeneration).value_or(0);
  wanted.gpu_names = nodes->texts("gpuNames", kGpuName).value_or(none);
  wanted.gpu_memory_bytes = nodes->bytes("minGpuMemory").value_or(0);
  wanted.gpu_counts = nodes->whole_numbers("gpuCounts", 1, kMaxGpus).value_or(std::vector<std::int64_t>());
  wanted.capacity_types = nodes->texts("capacityTypes", kCapacityType).value_or(none);
  wanted.zones = nodes->texts("zones", kZone).value_or(none);
  if (const std::string problem = problem_of_zones(wanted.zones); !problem.empty())
    nodes->fail("zones", "is wrong: " + problem);
  nodes->close();
  write(&Settings::nodes, std::optional(std::move(wanted)));
}

void read(DocumentSection& section, const Writer<ProbesSettings>& write) {
  using Settings = ProbesSettings;
  constexpr std::int64_t kDay = 24 * 60 * 60;
  write(&Settings::enabled, section.boolean("enabled"));
  write(&Settings::path, section.text("path", kUrlPath));
  write(&Settings::startup_seconds, section.whole_number("startupSeconds", 1, kDay));
  write(&Settings::drain_seconds, section.whole_number("drainSeconds", 0, kDay));
  write(&Settings::grace_period_seconds, section.whole_number("gracePeriodSeconds", 1, kDay));
}

void read(DocumentSection& section, const Writer<HardeningSettings>& write) {
  using Settings = HardeningSettings;
  constexpr std::int64_t kMaxUser = 2147483647;  // what Kubernetes accepts
  write(&Settings::enabled, section.boolean("enabled"));
  write(&Settings::run_as_user, section.whole_number("runAsUser", 0, kMaxUser));
}

void read(DocumentSection& section, const Writer<DisruptionSettings>& write) {
  using Settings = DisruptionSettings;
  write(&Settings::enabled, section.boolean("enabled"));
  write(&Settings::protect_for, section.text("protectFor", kDurationOrAlways));
}

}  // namespace

std::vector<SettingWrite> read_settings(DocumentSection& spec) {
  std::vector<SettingWrite> writes;
  if (const auto reaction = spec.text("onInvalidAnnotation", kReaction)) {
    const auto value = *reaction == "deny" ? OnInvalidAnnotation::kDeny : OnInvalidAnnotation::kWarn;
    writes.push_back([value](InjectionPolicy& policy) { policy.on_invalid_annotation = value; });
  }
  if (const auto excluded = spec.texts("excludedNamespaces", kNamespaceGlob)) {
    writes.push_back([value = *excluded](InjectionPolicy& policy) { policy.excluded_namespaces = value; });
  }
  if (const auto name = spec.text("provisioner", kProvisioner)) {
    const auto value = *name == "karpenter" ? Provisioner::kKarpenter : Provisioner::kAutoMode;
    writes.push_back([value](InjectionPolicy& policy) { policy.provisioner = value; });
  }
  const auto read_policy = [&]<typename Settings>(const char* key, Settings InjectionPolicy::*settings) {
    std::optional<DocumentSection> section = spec.section(key);
    if (!section) return;
    read(*section, Writer<Settings>(settings, writes));
    section->close();
  };
  read_policy("gpuToleration", &InjectionPolicy::gpu_toleration);
  read_policy("sharedMemory", &InjectionPolicy::shared_memory);
  read_policy("imageRegistry", &InjectionPolicy::image_registry);
  read_policy("modelStorage", &InjectionPolicy::model_storage);
  read_policy("environment", &InjectionPolicy::environment);
  read_policy("placement", &InjectionPolicy::placement);
  read_policy("probes", &InjectionPolicy::probes);
  read_policy("hardening", &InjectionPolicy::hardening);
  read_policy("disruption", &InjectionPolicy::disruption);
  return writes;
}

}  // namespace gpuinfer::policies
