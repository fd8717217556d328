// The policy environment: what model servers cannot find out themselves: their model's folder, the region, the API key.
#include "policies/gpu_request.hpp"
#include "policies/policy.hpp"
#include "policies/store.hpp"

namespace gpuinfer::policies {

namespace {

constexpr const char* kApiKeyVariable = "GPUINFER_API_KEY";
constexpr const char* kApiKeyOfSecret = "api-key";

/// One element of a container's env.
struct Variable {
  std::string name;
  Json json;
  std::string reason;
};

Variable plain_variable(const std::string& name, const std::string& value) {
  return {.name = name, .json = {{"name", name}, {"value", value}}, .reason = "sets " + name + "=" + value};
}

Variable secret_variable(const std::string& name, const std::string& secret, const std::string& key) {
  return {.name = name,
          .json = {{"name", name}, {"valueFrom", {{"secretKeyRef", {{"name", secret}, {"key", key}}}}}},
          .reason = "sets " + name + " from key '" + key + "' of Secret '" + secret + "'"};
}

std::vector<Variable> variables(const Context& context) {
  const EnvironmentSettings& settings = context.document.environment;
  const Annotations& annotations = context.annotations;
  std::vector<Variable> all;
  if (wants_weights(context) && !annotations.model.empty()) {
    all.push_back(
        plain_variable("GPUINFER_MODEL", context.document.model_storage.mount_path + "/" + annotations.model));
  }
  if (!settings.region.empty()) {
    // Pods on EKS Auto Mode cannot ask the instance for it (IMDS hop limit 1). SDKs differ in which name they read.
    all.push_back(plain_variable("AWS_REGION", settings.region));
    all.push_back(plain_variable("AWS_DEFAULT_REGION", settings.region));
  }
  const std::string& secret = annotations.api_key_secret.empty() ? settings.api_key_secret : annotations.api_key_secret;
  if (!secret.empty()) all.push_back(secret_variable(kApiKeyVariable, secret, kApiKeyOfSecret));
  for (const auto& [name, value] : settings.variables) all.push_back(plain_variable(name, value));
  return all;
}

void apply(Json& pod, const Context& context, Findings& findings) {
  const std::vector<Variable> wanted = variables(context);
  for (const Container& container : serving_containers(pod, context)) {
    for (const Variable& variable : wanted) {
      const bool is_set = find_by(member(*container.json, "env"), "name", variable.name) != nullptr;
      if (is_set) continue;
      list_at(*container.json, "env").push_back(variable.json);
      findings.reasons.push_back(variable.reason + " in container '" + container.name() + "'");
    }
  }
}

}  // namespace

const Policy environment{"environment",
                         [](const Context& context) {
                           return context.annotations.environment.value_or(context.document.environment.enabled);
                         },
                         apply};

}  // namespace gpuinfer::policies
