// The policy gpu_toleration: NodePools of GPU nodes carry a taint so that nothing else lands there.
#include "policies/gpu_request.hpp"
#include "policies/policy.hpp"

namespace gpuinfer::policies {

namespace {

constexpr const char* kEffect = "NoSchedule";

/// Tolerates every value of the taint `key`; a toleration of one value (operator Equal) would not.
bool tolerates(const Json& toleration, const std::string& key) {
  const std::string effect = text_at(toleration, "effect");
  const std::string tolerated_key = text_at(toleration, "key");
  return text_at(toleration, "operator") == "Exists" && (tolerated_key == key || tolerated_key.empty()) &&
         (effect == kEffect || effect.empty());
}

/// Why the pod needs a node with devices of the family `key`; "" where it does not.
std::string need_for(Json& pod, const Context& context, const std::string& key) {
  for (const Container& container : containers(pod)) {
    if (requested_gpus(*container.json, key) > 0) return "container '" + container.name() + "' requests it";
  }
  const bool is_first_key = key == context.document.gpu_toleration.keys.front();
  if (is_first_key && context.annotations.gpus.value_or(0) > 0) return "annotation gpuinfer.dev/gpus says so";
  return "";
}

void apply(Json& pod, const Context& context, Findings& findings) {
  for (const std::string& key : context.document.gpu_toleration.keys) {
    const std::string need = need_for(pod, context, key);
    if (need.empty()) continue;
    Json& tolerations = list_at(pod["spec"], "tolerations");
    bool is_tolerated = false;
    for (const Json& toleration : tolerations) is_tolerated = is_tolerated || tolerates(toleration, key);
    if (is_tolerated) continue;
    tolerations.push_back({{"key", key}, {"operator", "Exists"}, {"effect", kEffect}});
    findings.reasons.push_back("tolerates the taint " + key + ": " + need);
  }
}

}  // namespace

const Policy gpu_toleration{"gpu_toleration",
                            [](const Context& context) {
                              return context.document.gpu_toleration.enabled &&
                                     context.annotations.gpus.value_or(1) > 0;
                            },
                            apply};

}  // namespace gpuinfer::policies
