#include "policies/store.hpp"

#include <algorithm>
#include <string_view>

#include "policies/pod.hpp"

namespace gpuinfer::policies {

namespace {

constexpr std::string_view kModelPlaceholder = "{model}";

/// Where the node's NVMe disks are mounted: EKS Auto Mode (Bottlerocket), and Karpenter's EC2NodeClass with
/// instanceStorePolicy: RAID0.
const char* nvme_mount(Provisioner provisioner) {
  return provisioner == Provisioner::kAutoMode ? "/mnt/.ephemeral" : "/mnt/k8s-disks/0";
}

/// Names in image references are lower-case.
std::string image_of_model(std::string reference, std::string model) {
  std::transform(model.begin(), model.end(), model.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return reference.replace(reference.find(kModelPlaceholder), kModelPlaceholder.size(), model);
}

WeightsVolume claim_volume(const std::string& claim) {
  return {.description = "claim '" + claim + "'", .type = "persistentVolumeClaim", .source = {{"claimName", claim}}};
}

/// `Directory` instead of `DirectoryOrCreate`: a wrong path must be an error at once, not an empty folder on the root
/// disk.
WeightsVolume folder_volume(const std::string& path) {
  return {.description = "folder " + path + " of the node",
          .type = "hostPath",
          .source = {{"path", path}, {"type", "Directory"}}};
}

WeightsVolume image_volume(const std::string& reference) {
  return {.description = "image " + reference,
          .type = "image",
          .source = {{"reference", reference}, {"pullPolicy", "IfNotPresent"}}};
}

WeightsVolume volume_of(const Store& store, const Context& context) {
  switch (store.kind) {
    case Store::Kind::kClaim:
      return claim_volume(store.source);
    case Store::Kind::kHostPath:
      return folder_volume(store.source);
    case Store::Kind::kNvmeFolder: {
      const Provisioner provisioner = context.annotations.provisioner.value_or(context.document.provisioner);
      WeightsVolume volume = folder_volume(std::string(nvme_mount(provisioner)) + "/" + store.source);
      volume.needs_nvme = true;
      return volume;
    }
    case Store::Kind::kImage:
      if (context.annotations.model.empty()) {
        throw AnnotationError("annotation gpuinfer.dev/storage: a store of images needs gpuinfer.dev/model, too");
      }
      return image_volume(image_of_model(store.source, context.annotations.model));
  }
  return {};
}

/// The key of a volume's source that says which volume it is; the others may have been given default values.
const char* identity_of(const std::string& type) {
  if (type == "persistentVolumeClaim") return "claimName";
  return type == "hostPath" ? "path" : "reference";
}

}  // namespace

bool wants_weights(const Context& context) {
  const Annotations& annotations = context.annotations;
  return context.document.model_storage.enabled &&
         (!annotations.model.empty() || !annotations.storage.empty() || !annotations.model_image.empty());
}

WeightsVolume weights_volume(const Context& context) {
  const ModelStorageSettings& settings = context.document.model_storage;
  const Annotations& annotations = context.annotations;
  const std::string& name = annotations.storage.empty() ? settings.default_storage : annotations.storage;
  const auto store = settings.storage.find(name);
  WeightsVolume volume;
  if (!annotations.model_image.empty()) {
    volume = image_volume(annotations.model_image);
  } else if (store != settings.storage.end()) {
    volume = volume_of(store->second, context);
    volume.zone = store->second.zone;
  } else if (std::find(kStores.begin(), kStores.end(), name) != kStores.end()) {
    throw AnnotationError("annotation gpuinfer.dev/storage: the policy document '" + context.document.name +
                          "' does not say what the store '" + name + "' is");
  } else {
    volume = claim_volume(name);
  }
  // An image holds one model, all other stores a folder for each.
  const bool is_one_model = volume.type == "image" && !annotations.model.empty();
  volume.mount_path = settings.mount_path + (is_one_model ? "/" + annotations.model : "");
  return volume;
}

std::string name_of_same_volume(const Json& pod, const WeightsVolume& volume) {
  const char* identity = identity_of(volume.type);
  for (const Json& other : member(member(pod, "spec"), "volumes")) {
    const Json& source = member(other, volume.type.c_str());
    if (source.is_object() && member(source, identity) == volume.source[identity]) return text_at(other, "name");
  }
  return "";
}

}  // namespace gpuinfer::policies
