// Fills the settings of the documents into the template, mutating_admission_policy.yaml, as CEL literals.
#include "policies/export/mutating_admission_policy.hpp"

#include <map>
#include <string_view>
#include <utility>

#include "base/yaml.hpp"
#include "policies/gpu_request.hpp"
#include "policies/store.hpp"
#include "policies_export/embedded.hpp"

namespace gpuinfer::policies {

namespace {

constexpr std::string_view kPlaceholder = "settings of the document";

/// CEL literals. A JSON string is a CEL string; so are lists and objects, as long as all their values are of one type.
std::string cel(const Json& value) { return value.dump(); }
std::string cel(bool value) { return value ? "true" : "false"; }
std::string cel(std::int64_t value) { return std::to_string(value); }

/// A regular expression (RE2) for a glob, in which "*" stands for any characters and nothing else but letters, digits
/// and "-" occurs.
std::string regex_of_glob(const std::string& glob) {
  std::string regex = "^";
  for (const char c : glob) regex += c == '*' ? std::string(".*") : std::string(1, c);
  return regex + "$";
}

std::string asks_for_injection(const InjectionPolicy& policy) {
  const std::string absent = cel(policy.inject_selected);
  return R"(has(object.metadata.annotations) && "gpuinfer.dev/inject" in object.metadata.annotations
? object.metadata.annotations["gpuinfer.dev/inject"] != "false" : )" +
         absent;
}

std::string namespace_is_not_excluded(const InjectionPolicy& policy) {
  Json regexes = {"^kube-system$"};
  for (const std::string& glob : policy.excluded_namespaces) {
    if (glob != "kube-system") regexes.push_back(regex_of_glob(glob));
  }
  return "!" + cel(regexes) + ".exists(regex, request.namespace.matches(regex))";
}

/// A store whose node has to be chosen, too: CEL only adds its volume.
bool needs_placement(const Store& store) { return store.kind == Store::Kind::kNvmeFolder || !store.zone.empty(); }

/// Wrong, as in store.cpp: a store that no document describes, or an image of models without a model.
std::string store_is_known(const InjectionPolicy& policy) {
  Json unknown = Json::array();
  for (const std::string_view name : kStores) {
    if (!policy.model_storage.storage.contains(std::string(name))) unknown.push_back(name);
  }
  Json images = Json::array();
  for (const auto& [name, store] : policy.model_storage.storage) {
    if (store.kind == Store::Kind::kImage) images.push_back(name);
    if (needs_placement(store)) unknown.push_back(name);
  }
  return R"(!has(object.metadata.annotations) || "gpuinfer.dev/model-image" in object.metadata.annotations
|| ["gpuinfer.dev/storage" in object.metadata.annotations ? object.metadata.annotations["gpuinfer.dev/storage"] : )" +
         cel(Json(policy.model_storage.default_storage)) + "].all(name, !(name in " + cel(unknown) +
         ")\n  && (!(name in " + cel(images) + R"() || "gpuinfer.dev/model" in object.metadata.annotations)))";
}

std::string slice_prefixes_of(const std::vector<std::string>& keys) {
  Json prefixes = Json::object();
  for (const std::string& key : keys) {
    if (const std::vector<std::string> own = slice_prefixes(key); !own.empty()) prefixes[key] = own;
  }
  return prefixes.empty() ? R"({"": [""]})" : cel(prefixes);
}

std::string stores_of(const ModelStorageSettings& settings) {
  // Never empty, because the type of an empty map is anything. No annotation can name this one.
  Json stores = {{"", {{"type", "persistentVolumeClaim"}, {"identity", "claimName"}, {"value", ""}}}};
  for (const auto& [name, store] : settings.storage) {
    if (needs_placement(store)) continue;
    const char* type = store.kind == Store::Kind::kClaim   ? "persistentVolumeClaim"
                       : store.kind == Store::Kind::kImage ? "image"
                                                           : "hostPath";
    const char* identity = store.kind == Store::Kind::kClaim   ? "claimName"
                           : store.kind == Store::Kind::kImage ? "reference"
                                                               : "path";
    stores[name] = {{"type", type}, {"identity", identity}, {"value", store.source}};
  }
  return cel(stores);
}

/// [{"name": "A", "value": "1"}], in their order.
std::string variables_of(const std::vector<std::pair<std::string, std::string>>& values) {
  Json variables = Json::array();
  for (const auto& [name, value] : values) variables.push_back({{"name", name}, {"value", value}});
  return cel(variables);
}

/// Expressions by the name of their variable or condition in the template.
std::map<std::string, std::string> settings_of(const InjectionPolicy& policy) {
  const std::string& region = policy.environment.region;
  const std::int64_t startup_period_seconds = 5;
  std::vector<std::pair<std::string, std::string>> regions;
  if (!region.empty()) regions = {{"AWS_REGION", region}, {"AWS_DEFAULT_REGION", region}};
  Json rewrites = {{"", ""}};
  for (const auto& [upstream, target] : policy.image_registry.rewrites) rewrites[upstream] = target;
  return {
      {"asks-for-injection", asks_for_injection(policy)},
      {"namespace-is-not-excluded", namespace_is_not_excluded(policy)},
      {"store-is-known", store_is_known(policy)},
      {"documentName", cel(Json(policy.name))},
      {"gpuTolerationEnabled", cel(policy.gpu_toleration.enabled)},
      {"gpuKeys", cel(Json(policy.gpu_toleration.keys))},
      {"slicePrefixes", slice_prefixes_of(policy.gpu_toleration.keys)},
      {"imageRegistryEnabled", cel(policy.image_registry.enabled)},
      {"registry", cel(Json(policy.image_registry.registry))},
      {"rewrites", cel(rewrites)},
      {"sharedMemoryEnabled", cel(policy.shared_memory.enabled)},
      {"perGpuBytes", cel(policy.shared_memory.per_gpu_bytes)},
      {"maximumBytes", cel(policy.shared_memory.maximum_bytes)},
      {"memoryLimitPercent", cel(policy.shared_memory.memory_limit_percent)},
      {"modelStorageEnabled", cel(policy.model_storage.enabled)},
      {"modelsPath", cel(Json(policy.model_storage.mount_path))},
      {"defaultStorage", cel(Json(policy.model_storage.default_storage))},
      {"stores", stores_of(policy.model_storage)},
      {"environmentEnabled", cel(policy.environment.enabled)},
      {"regionVariables", variables_of(regions)},
      {"apiKeySecret", cel(Json(policy.environment.api_key_secret))},
      {"otherVariables", variables_of({policy.environment.variables.begin(), policy.environment.variables.end()})},
      {"probesEnabled", cel(policy.probes.enabled)},
      {"probePath", cel(Json(policy.probes.path))},
      {"startupFailures", cel((policy.probes.startup_seconds + startup_period_seconds - 1) / startup_period_seconds)},
      {"drainSeconds", cel(policy.probes.drain_seconds)},
      {"gracePeriodSeconds", cel(policy.probes.grace_period_seconds)},
      {"hardeningEnabled", cel(policy.hardening.enabled)},
      {"runAsUser", cel(policy.hardening.run_as_user)},
      {"disruptionEnabled", cel(policy.disruption.enabled)},
      {"protectFor",
       cel(Json(policy.disruption.protect_for == "always" ? std::string("true") : policy.disruption.protect_for))},
  };
}

void fill(Json& entries, const std::map<std::string, std::string>& settings) {
  for (Json& entry : entries) {
    if (entry.at("expression") == kPlaceholder) entry["expression"] = settings.at(entry.at("name"));
  }
}

std::vector<std::string> gaps_of(const PolicySet& policies) {
  const InjectionPolicy& policy = policies.unselected();
  std::vector<std::string> gaps = {
      "It gives no warnings and no reasons; a pod whose gpuinfer.dev/ annotations are wrong is admitted as it came.",
      "Workloads do not hand their gpuinfer.dev/ annotations to their pod templates: annotate the templates.",
      "placement: a pod that asks for nodes (gpuinfer.dev/zone, gpu-name, instance-family and the like) is admitted as "
      "it came; ask for them in its own affinity.",
      "image_registry: the images of containers whose names have more than 48 characters stay where they are.",
  };
  if (policy.on_invalid_annotation == OnInvalidAnnotation::kDeny) {
    gaps.emplace_back("onInvalidAnnotation: deny needs a policy that validates; here wrong annotations are ignored.");
  }
  if (policy.placement.enabled && policy.placement.nodes != NodeRequirements{}) {
    gaps.emplace_back("placement.nodes of the document: let the NodePool of your GPU nodes say the same.");
  }
  for (const auto& [name, store] : policy.model_storage.storage) {
    if (!needs_placement(store)) continue;
    gaps.push_back("modelStorage.storage." + name +
                   " depends on the node: a pod that names this store is admitted as it came.");
  }
  for (const PolicyDocument& document : policies.documents()) {
    if (document.selector.picks_everything()) continue;
    gaps.push_back("The document '" + document.name + "' has a selector and is left out.");
  }
  return gaps;
}

}  // namespace

AdmissionPolicyExport export_mutating_admission_policy(const PolicySet& policies) {
  AdmissionPolicyExport exported;
  exported.policy =
      parse_yaml(policies_export::embedded::mutating_admission_policy_yaml, "mutating_admission_policy.yaml")
          .at(0)
          .value;
  const std::map<std::string, std::string> settings = settings_of(policies.unselected());
  fill(exported.policy["spec"]["matchConditions"], settings);
  fill(exported.policy["spec"]["variables"], settings);
  const Json& metadata = exported.policy["metadata"];
  exported.binding = {{"apiVersion", exported.policy["apiVersion"]},
                      {"kind", "MutatingAdmissionPolicyBinding"},
                      {"metadata", metadata},
                      {"spec", {{"policyName", metadata.at("name")}}}};
  exported.gaps = gaps_of(policies);
  return exported;
}

std::string to_yaml(const AdmissionPolicyExport& exported) {
  std::string text =
      "# Made by `kubectl gpuinfer policy export --as mutatingadmissionpolicy`. It does what the webhook does, but:\n";
  for (const std::string& gap : exported.gaps) text += "# - " + gap + "\n";
  return text + emit_yaml(exported.policy) + "---\n" + emit_yaml(exported.binding);
}

}  // namespace gpuinfer::policies
