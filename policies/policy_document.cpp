#include "policies/policy_document.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "policies/document_section.hpp"
#include "policies/image_reference.hpp"
#include "policies/names.hpp"

namespace gpuinfer::policies {

namespace {

constexpr const char* kApiVersion = "gpuinfer.dev/v1alpha1";
constexpr const char* kKind = "InjectionPolicy";

bool is_registry_or_empty(std::string_view text) {
  if (text.empty()) return true;
  try {
    // Whatever is put behind it must still be a reference into that same place.
    const std::string probe = std::string(text) + "/any/image";
    return to_string(parse_image_reference(probe)) == probe;
  } catch (const Error&) {
    return false;
  }
}

bool is_registry_host(std::string_view text) {
  return !text.empty() && text.find('/') == std::string_view::npos && is_registry_or_empty(text) &&
         canonical_registry(text) == text;
}

bool is_prefix_or_empty(std::string_view text) {
  return text.empty() || is_registry_or_empty("registry.example/" + std::string(text));
}

bool is_mount_path(std::string_view text) {
  return text.size() > 1 && text.front() == '/' && text.back() != '/' && text.find(':') == std::string_view::npos &&
         text.find("//") == std::string_view::npos && text.find("/.") == std::string_view::npos;
}

bool is_namespace_glob(std::string_view text) {
  std::string name(text);
  std::replace(name.begin(), name.end(), '*', 'x');
  return is_dns_label(name);
}

/// A resource with a domain: nvidia.com/gpu.
bool is_extended_resource(std::string_view text) {
  const std::size_t slash = text.find('/');
  return slash != std::string_view::npos && is_dns_subdomain(text.substr(0, slash)) &&
         is_dns_subdomain(text.substr(slash + 1));
}

constexpr Grammar kDocumentName{is_dns_subdomain, "a name of lower-case letters, digits, '-' and '.'"};
constexpr Grammar kNamespaceGlob{is_namespace_glob, "the name of a namespace, in which * stands for any characters"};
constexpr Grammar kDeviceName{is_extended_resource, "the name of an extended resource, such as nvidia.com/gpu"};
constexpr Grammar kRegistry{is_registry_or_empty, "HOST[:PORT][/PATH], or empty"};
constexpr Grammar kRegistryHost{is_registry_host, "a registry's host, such as ghcr.io (docker.io for Docker Hub)"};
constexpr Grammar kPrefix{is_prefix_or_empty, "a repository prefix, such as github, or empty"};
constexpr Grammar kClaimName{is_dns_subdomain, "the name of a PersistentVolumeClaim"};
constexpr Grammar kStoreName{is_dns_label, "a store's name, such as s3"};
constexpr Grammar kMountPath{is_mount_path, "an absolute path, such as /models"};
constexpr Grammar kReaction{[](std::string_view text) { return text == "warn" || text == "deny"; }, "warn or deny"};
constexpr Grammar kInjectWhom{[](std::string_view text) { return text == "annotated" || text == "selected"; },
                              "annotated or selected"};
constexpr Grammar kLabelKey{is_label_key, "the key of a label, such as app.kubernetes.io/name"};
constexpr Grammar kLabelValue{is_label_value, "the value of a label"};
constexpr Grammar kImageGlob{[](std::string_view text) { return !text.empty(); },
                             "an image reference, in which * stands for any characters"};

/// Turns the values that a section gives into writes to one policy's settings.
template <typename Settings>
struct Writer {
  Settings InjectionPolicy::*settings;
  std::vector<SettingWrite>* writes;

  template <typename T>
  void operator()(T Settings::*field, const std::optional<T>& value) const {
    if (!value) return;
    writes->push_back(
        [settings = settings, field, value = *value](InjectionPolicy& policy) { (policy.*settings).*field = value; });
  }
};

void read(DocumentSection section, Writer<GpuTolerationSettings> write) {
  write(&GpuTolerationSettings::enabled, section.boolean("enabled"));
  write(&GpuTolerationSettings::keys, section.texts("keys", kDeviceName));
  section.close();
}

void read(DocumentSection section, Writer<SharedMemorySettings> write) {
  write(&SharedMemorySettings::enabled, section.boolean("enabled"));
  write(&SharedMemorySettings::per_gpu_bytes, section.bytes("perGpu"));
  write(&SharedMemorySettings::maximum_bytes, section.bytes("maximum"));
  write(&SharedMemorySettings::memory_limit_percent, section.whole_number("memoryLimitPercent", 1, 100));
  section.close();
}

void read(DocumentSection section, Writer<ImageRegistrySettings> write) {
  write(&ImageRegistrySettings::enabled, section.boolean("enabled"));
  write(&ImageRegistrySettings::registry, section.text("registry", kRegistry));
  write(&ImageRegistrySettings::rewrites, section.text_map("rewrites", kRegistryHost, kPrefix));
  section.close();
}

void read(DocumentSection section, Writer<ModelStorageSettings> write) {
  write(&ModelStorageSettings::enabled, section.boolean("enabled"));
  write(&ModelStorageSettings::mount_path, section.text("mountPath", kMountPath));
  write(&ModelStorageSettings::default_claim, section.text("defaultClaim", kClaimName));
  write(&ModelStorageSettings::storage, section.text_map("storage", kStoreName, kClaimName));
  section.close();
}

LabelRequirement read_label_requirement(DocumentSection section) {
  static const std::map<std::string, LabelRequirement::Operator, std::less<>> operators{
      {"In", LabelRequirement::Operator::kIn},
      {"NotIn", LabelRequirement::Operator::kNotIn},
      {"Exists", LabelRequirement::Operator::kExists},
      {"DoesNotExist", LabelRequirement::Operator::kDoesNotExist}};
  const Grammar operation{[](std::string_view text) { return operators.contains(text); },
                          "In, NotIn, Exists or DoesNotExist"};
  LabelRequirement requirement;
  requirement.key = section.text("key", kLabelKey).value_or("");
  const std::string operator_name = section.text("operator", operation).value_or("");
  if (requirement.key.empty() || operator_name.empty()) section.fail("", "must have a key and an operator");
  requirement.operation = operators.at(operator_name);
  requirement.values = section.texts("values", kLabelValue).value_or(std::vector<std::string>());
  const bool takes_values = operator_name == "In" || operator_name == "NotIn";
  if (takes_values == requirement.values.empty()) {
    section.fail("", takes_values ? "must have values" : "must not have values: its operator compares nothing");
  }
  section.close();
  return requirement;
}

Selector read_selector(DocumentSection section) {
  Selector selector;
  selector.namespaces = section.texts("namespaces", kNamespaceGlob).value_or(std::vector<std::string>());
  const auto labels = section.text_map("matchLabels", kLabelKey, kLabelValue);
  for (const auto& [key, value] : labels.value_or(std::map<std::string, std::string>())) {
    selector.labels.push_back({key, LabelRequirement::Operator::kIn, {value}});
  }
  if (const auto expressions = section.sections("matchExpressions")) {
    for (const DocumentSection& expression : *expressions) {
      selector.labels.push_back(read_label_requirement(expression));
    }
  }
  selector.images = section.texts("images", kImageGlob).value_or(std::vector<std::string>());
  selector.requests_gpu = section.boolean("requestsGpu");
  section.close();
  if (selector.picks_everything()) {
    section.fail("", "has no condition", "leave the selector out where a document is for every pod");
  }
  return selector;
}

void read_spec(DocumentSection spec, PolicyDocument& document) {
  std::vector<SettingWrite>& writes = document.writes;
  const auto read_policy = [&]<typename Settings>(const char* key, Settings InjectionPolicy::*settings) {
    if (std::optional<DocumentSection> section = spec.section(key)) {
      read(std::move(*section), Writer<Settings>{settings, &writes});
    }
  };
  if (std::optional<DocumentSection> selector = spec.section("selector")) {
    document.selector = read_selector(std::move(*selector));
  }
  if (const auto whom = spec.text("inject", kInjectWhom)) {
    if (*whom == "selected" && document.selector.picks_everything()) {
      spec.fail("inject", "must be annotated in a document without a selector",
                "say in spec.selector which pods are injected without being asked for");
    }
    writes.push_back(
        [is_selected = *whom == "selected"](InjectionPolicy& policy) { policy.inject_selected = is_selected; });
  }
  if (const auto reaction = spec.text("onInvalidAnnotation", kReaction)) {
    const auto value = *reaction == "deny" ? OnInvalidAnnotation::kDeny : OnInvalidAnnotation::kWarn;
    writes.push_back([value](InjectionPolicy& policy) { policy.on_invalid_annotation = value; });
  }
  if (auto excluded = spec.texts("excludedNamespaces", kNamespaceGlob)) {
    writes.push_back([value = *excluded](InjectionPolicy& policy) { policy.excluded_namespaces = value; });
  }
  read_policy("gpuToleration", &InjectionPolicy::gpu_toleration);
  read_policy("sharedMemory", &InjectionPolicy::shared_memory);
  read_policy("imageRegistry", &InjectionPolicy::image_registry);
  read_policy("modelStorage", &InjectionPolicy::model_storage);
  spec.close();
}

}  // namespace

PolicyDocument read_policy_document(const YamlDocument& yaml, const std::string& file_name) {
  DocumentSection root(yaml, file_name);
  const auto api_version = root.text("apiVersion", {[](std::string_view v) { return v == kApiVersion; }, kApiVersion});
  const auto kind = root.text("kind", {[](std::string_view v) { return v == kKind; }, kKind});
  if (!api_version || !kind) {
    root.fail("", std::string("must say apiVersion: ") + kApiVersion + " and kind: " + kKind);
  }
  PolicyDocument document;
  if (std::optional<DocumentSection> metadata = root.section("metadata")) {
    document.name = metadata->text("name", kDocumentName).value_or("");
    metadata->close();
  }
  if (document.name.empty()) root.fail("", "must have a metadata.name");
  if (std::optional<DocumentSection> spec = root.section("spec")) read_spec(std::move(*spec), document);
  root.close();
  return document;
}

}  // namespace gpuinfer::policies
