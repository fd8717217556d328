// The reverse of settings_reader.cpp.
#include "policies/export/effective_document.hpp"

#include <algorithm>

#include "policies/quantity.hpp"

namespace gpuinfer::policies {

namespace {

Json store_section(const Store& store) {
  const char* key = "";
  switch (store.kind) {
    case Store::Kind::kClaim:
      key = "claim";
      break;
    case Store::Kind::kHostPath:
      key = "hostPath";
      break;
    case Store::Kind::kNvmeFolder:
      key = "nvmeFolder";
      break;
    case Store::Kind::kImage:
      key = "image";
      break;
  }
  Json section = {{key, store.source}};
  if (!store.zone.empty()) section["zone"] = store.zone;
  return section;
}

Json nodes_section(const NodeRequirements& nodes) {
  Json section = Json::object();
  const auto add = [&](const char* key, const Json& value, bool is_given) {
    if (is_given) section[key] = value;
  };
  const auto add_list = [&](const char* key, const auto& values) { add(key, values, !values.empty()); };
  add_list("instanceCategories", nodes.instance_categories);
  add_list("instanceFamilies", nodes.instance_families);
  add("minInstanceGeneration", nodes.instance_generation, nodes.instance_generation > 0);
  add_list("gpuNames", nodes.gpu_names);
  add("minGpuMemory", format_bytes(nodes.gpu_memory_bytes), nodes.gpu_memory_bytes > 0);
  add_list("gpuCounts", nodes.gpu_counts);
  add_list("capacityTypes", nodes.capacity_types);
  add_list("zones", nodes.zones);
  return section;
}

Json storage_section(const std::map<std::string, Store>& stores) {
  Json section = Json::object();
  for (const auto& [name, store] : stores) section[name] = store_section(store);
  return section;
}

/// A map that is an object even where it is empty.
Json text_map(const std::map<std::string, std::string>& texts) {
  Json section = Json::object();
  for (const auto& [key, value] : texts) section[key] = value;
  return section;
}

}  // namespace

Json effective_document(const InjectionPolicy& policy) {
  const bool denies = policy.on_invalid_annotation == OnInvalidAnnotation::kDeny;
  const Json spec = {
      {"onInvalidAnnotation", denies ? "deny" : "warn"},
      {"excludedNamespaces", policy.excluded_namespaces},
      {"provisioner", policy.provisioner == Provisioner::kKarpenter ? "karpenter" : "auto-mode"},
      {"gpuToleration", {{"enabled", policy.gpu_toleration.enabled}, {"keys", policy.gpu_toleration.keys}}},
      {"sharedMemory",
       {{"enabled", policy.shared_memory.enabled},
        {"perGpu", format_bytes(policy.shared_memory.per_gpu_bytes)},
        {"maximum", format_bytes(policy.shared_memory.maximum_bytes)},
        {"memoryLimitPercent", policy.shared_memory.memory_limit_percent}}},
      {"imageRegistry",
       {{"enabled", policy.image_registry.enabled},
        {"registry", policy.image_registry.registry},
        {"rewrites", text_map(policy.image_registry.rewrites)}}},
      {"modelStorage",
       {{"enabled", policy.model_storage.enabled},
        {"mountPath", policy.model_storage.mount_path},
        {"defaultStorage", policy.model_storage.default_storage},
        {"storage", storage_section(policy.model_storage.storage)}}},
      {"environment",
       {{"enabled", policy.environment.enabled},
        {"region", policy.environment.region},
        {"apiKeySecret", policy.environment.api_key_secret},
        {"variables", text_map(policy.environment.variables)}}},
      {"placement", {{"enabled", policy.placement.enabled}, {"nodes", nodes_section(policy.placement.nodes)}}},
      {"probes",
       {{"enabled", policy.probes.enabled},
        {"path", policy.probes.path},
        {"startupSeconds", policy.probes.startup_seconds},
        {"drainSeconds", policy.probes.drain_seconds},
        {"gracePeriodSeconds", policy.probes.grace_period_seconds}}},
      {"hardening", {{"enabled", policy.hardening.enabled}, {"runAsUser", policy.hardening.run_as_user}}},
      {"disruption", {{"enabled", policy.disruption.enabled}, {"protectFor", policy.disruption.protect_for}}},
  };
  // "platform+team", the name of what two documents add up to, is no name of a document.
  std::string name = policy.name;
  std::replace(name.begin(), name.end(), '+', '-');
  return {{"apiVersion", "gpuinfer.dev/v1alpha1"},
          {"kind", "InjectionPolicy"},
          {"metadata", {{"name", name}}},
          {"spec", spec}};
}

}  // namespace gpuinfer::policies
