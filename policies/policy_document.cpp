#include "policies/policy_document.hpp"

#include <optional>
#include <utility>

#include "policies/document_section.hpp"
#include "policies/embedded.hpp"
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

/// A resource with a domain: nvidia.com/gpu.
bool is_extended_resource(std::string_view text) {
  const std::size_t slash = text.find('/');
  return slash != std::string_view::npos && is_dns_subdomain(text.substr(0, slash)) &&
         is_dns_subdomain(text.substr(slash + 1));
}

constexpr Grammar kDocumentName{is_dns_subdomain, "a name of lower-case letters, digits, '-' and '.'"};
constexpr Grammar kNamespaceName{is_dns_label, "the name of a namespace"};
constexpr Grammar kDeviceName{is_extended_resource, "the name of an extended resource, such as nvidia.com/gpu"};
constexpr Grammar kRegistry{is_registry_or_empty, "HOST[:PORT][/PATH], or empty"};
constexpr Grammar kRegistryHost{is_registry_host, "a registry's host, such as ghcr.io (docker.io for Docker Hub)"};
constexpr Grammar kPrefix{is_prefix_or_empty, "a repository prefix, such as github, or empty"};
constexpr Grammar kClaimName{is_dns_subdomain, "the name of a PersistentVolumeClaim"};
constexpr Grammar kStoreName{is_dns_label, "a store's name, such as s3"};
constexpr Grammar kMountPath{is_mount_path, "an absolute path, such as /models"};
constexpr Grammar kReaction{[](std::string_view text) { return text == "warn" || text == "deny"; }, "warn or deny"};

void read(DocumentSection section, GpuTolerationSettings& settings) {
  section.read("enabled", settings.enabled);
  section.read("keys", settings.keys, kDeviceName);
  section.close();
}

void read(DocumentSection section, SharedMemorySettings& settings) {
  section.read("enabled", settings.enabled);
  section.read_bytes("perGpu", settings.per_gpu_bytes);
  section.read_bytes("maximum", settings.maximum_bytes);
  section.read_percent("memoryLimitPercent", settings.memory_limit_percent);
  section.close();
}

void read(DocumentSection section, ImageRegistrySettings& settings) {
  section.read("enabled", settings.enabled);
  section.read("registry", settings.registry, kRegistry);
  section.read("rewrites", settings.rewrites, kRegistryHost, kPrefix);
  section.close();
}

void read(DocumentSection section, ModelStorageSettings& settings) {
  section.read("enabled", settings.enabled);
  section.read("mountPath", settings.mount_path, kMountPath);
  section.read("defaultClaim", settings.default_claim, kClaimName);
  section.read("storage", settings.storage, kStoreName, kClaimName);
  section.close();
}

template <typename Settings>
void read_policy(DocumentSection& spec, const char* key, Settings& settings) {
  if (std::optional<DocumentSection> section = spec.section(key)) read(std::move(*section), settings);
}

void read_spec(DocumentSection spec, InjectionPolicy& policy) {
  std::string reaction = policy.on_invalid_annotation == OnInvalidAnnotation::kDeny ? "deny" : "warn";
  spec.read("onInvalidAnnotation", reaction, kReaction);
  policy.on_invalid_annotation = reaction == "deny" ? OnInvalidAnnotation::kDeny : OnInvalidAnnotation::kWarn;
  spec.read("excludedNamespaces", policy.excluded_namespaces, kNamespaceName);
  read_policy(spec, "gpuToleration", policy.gpu_toleration);
  read_policy(spec, "sharedMemory", policy.shared_memory);
  read_policy(spec, "imageRegistry", policy.image_registry);
  read_policy(spec, "modelStorage", policy.model_storage);
  spec.close();
}

/// Reads `text` over `policy`, so that what the document leaves out stays as it is.
void overlay(std::string_view text, const std::string& file_name, InjectionPolicy& policy) {
  const std::vector<YamlDocument> documents = parse_yaml(text, file_name);
  if (documents.size() != 1) {
    throw PolicyDocumentError(
        file_name + ":1:1: holds " + std::to_string(documents.size()) + " documents instead of one InjectionPolicy",
        "start from the default document in docs/policies.md");
  }
  DocumentSection document(documents.front(), file_name);
  std::string api_version;
  std::string kind;
  document.read("apiVersion", api_version, {[](std::string_view v) { return v == kApiVersion; }, kApiVersion});
  document.read("kind", kind, {[](std::string_view v) { return v == kKind; }, kKind});
  if (api_version.empty() || kind.empty()) {
    document.fail("", std::string("must say apiVersion: ") + kApiVersion + " and kind: " + kKind);
  }
  policy.name.clear();
  if (std::optional<DocumentSection> metadata = document.section("metadata")) {
    metadata->read("name", policy.name, kDocumentName);
    metadata->close();
  }
  if (policy.name.empty()) document.fail("", "must have a metadata.name");
  if (std::optional<DocumentSection> spec = document.section("spec")) read_spec(std::move(*spec), policy);
  document.close();
}

}  // namespace

InjectionPolicy parse_policy_document(std::string_view text, const std::string& file_name) {
  InjectionPolicy policy = default_policy();
  overlay(text, file_name, policy);
  return policy;
}

const InjectionPolicy& default_policy() {
  static const InjectionPolicy policy = [] {
    InjectionPolicy parsed;
    overlay(default_policy_text(), "default_policy.yaml", parsed);
    return parsed;
  }();
  return policy;
}

std::string_view default_policy_text() { return embedded::default_policy_yaml; }

}  // namespace gpuinfer::policies
