// The policy model_storage: the claim that holds the weights, and where the server finds them.
#include <algorithm>
#include <array>
#include <string_view>

#include "policies/gpu_request.hpp"
#include "policies/policy.hpp"

namespace gpuinfer::policies {

namespace {

constexpr const char* kVolumeName = "gpuinfer-models";
constexpr const char* kModelVariable = "GPUINFER_MODEL";
/// Kinds of storage that the annotation may name. Which claim each is, only the policy document knows.
constexpr std::array<std::string_view, 8> kStores{"s3", "s3-express", "s3files", "efs", "fsx", "ebs", "nvme", "image"};

std::string claim_for(const Context& context) {
  const ModelStorageSettings& settings = context.document.model_storage;
  const std::string& storage = context.annotations.storage;
  if (storage.empty()) return settings.default_claim;
  if (const auto store = settings.storage.find(storage); store != settings.storage.end()) return store->second;
  if (std::find(kStores.begin(), kStores.end(), storage) != kStores.end()) {
    throw AnnotationError("annotation gpuinfer.dev/storage: the policy document '" + context.document.name +
                          "' names no claim for the store '" + storage + "'");
  }
  return storage;
}

/// The name of the pod's volume of `claim`, which is made where it is missing.
std::string volume_of(Json& pod, const std::string& claim) {
  for (const Json& volume : member(pod["spec"], "volumes")) {
    if (text_at(member(volume, "persistentVolumeClaim"), "claimName") == claim) return text_at(volume, "name");
  }
  const std::string name = free_volume_name(pod, kVolumeName);
  list_at(pod["spec"], "volumes").push_back({{"name", name}, {"persistentVolumeClaim", {{"claimName", claim}}}});
  return name;
}

/// The containers that read weights: the GPU containers, or in a pod without any all that run as long as it does.
std::vector<Container> readers(Json& pod, const Context& context) {
  std::vector<Container> chosen = gpu_containers(pod, context);
  if (!chosen.empty()) return chosen;
  chosen = containers(pod);
  std::erase_if(chosen, [](const Container& container) { return container.is_init; });
  return chosen;
}

void mount(const Container& container, const std::string& volume, const std::string& path) {
  // Read-only at the mount, not at the volume: a loader on the same node may still write through the same claim.
  list_at(*container.json, "volumeMounts").push_back({{"name", volume}, {"mountPath", path}, {"readOnly", true}});
}

/// False where the container sets the variable itself.
bool set_model(const Container& container, const std::string& model_path) {
  Json& environment = list_at(*container.json, "env");
  if (find_by(environment, "name", kModelVariable) != nullptr) return false;
  environment.push_back({{"name", kModelVariable}, {"value", model_path}});
  return true;
}

void apply(Json& pod, const Context& context, Findings& findings) {
  const std::string& path = context.document.model_storage.mount_path;
  const std::string& model = context.annotations.model;
  const std::string claim = claim_for(context);

  const std::vector<Container> all = readers(pod, context);
  const bool all_have_a_mount = std::all_of(
      all.begin(), all.end(), [&](const Container& container) { return has_mount_at(*container.json, path); });
  const std::string volume = all_have_a_mount ? "" : volume_of(pod, claim);
  for (const Container& container : readers(pod, context)) {  // anew, because volume_of() may have moved them
    const std::string where = " container '" + container.name() + "'";
    if (!has_mount_at(*container.json, path)) {
      mount(container, volume, path);
      findings.reasons.push_back("mounts claim '" + claim + "' at " + path + " of" + where);
    }
    if (!model.empty() && set_model(container, path + "/" + model)) {
      findings.reasons.push_back("sets " + std::string(kModelVariable) + "=" + path + "/" + model + " in" + where);
    }
  }
}

}  // namespace

const Policy model_storage{"model_storage",
                           [](const Context& context) {
                             const Annotations& annotations = context.annotations;
                             return context.document.model_storage.enabled &&
                                    (!annotations.model.empty() || !annotations.storage.empty());
                           },
                           apply};

}  // namespace gpuinfer::policies
