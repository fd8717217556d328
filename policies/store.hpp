// Where the weights of a pod come from: the store that the annotations and the documents name, as a volume.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "policies/policy.hpp"

namespace gpuinfer::policies {

/// Kinds of storage that the annotation may name. What each is, only the policy document knows.
inline constexpr std::array<std::string_view, 8> kStores{"s3",  "s3-express", "s3files", "efs",
                                                         "fsx", "ebs",        "nvme",    "image"};

/// The volume that holds a pod's weights.
struct WeightsVolume {
  std::string description;      ///< "claim 'gpuinfer-models'", for reasons
  std::string type;             ///< the key of the volume's source: "persistentVolumeClaim"
  Json source;                  ///< its value
  std::string mount_path = {};  ///< where it is mounted
  std::string zone = {};        ///< the one that it can be reached from; empty: all
  bool needs_nvme = false;      ///< its node must have NVMe disks
};

/// True where the pod asks for weights: it names a model, a storage or an image with a model.
bool wants_weights(const Context& context);

/// What the pod asks for. Throws AnnotationError where the documents do not know it.
WeightsVolume weights_volume(const Context& context);

/// The name of the pod's volume that is the same as `volume`, "" where there is none.
std::string name_of_same_volume(const Json& pod, const WeightsVolume& volume);

}  // namespace gpuinfer::policies
