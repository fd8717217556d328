// How `scaffold` lays objects out as files.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::manifests {

/// One file of a folder that `kubectl apply -k` takes.
struct ManifestFile {
  std::string name;  ///< "deployment.yaml"
  std::string yaml;
};

/// A file for each object, called after its kind (with the object's name where two share a kind), and
/// kustomization.yaml that lists them in order; `namespace_name` (may be empty) is set there, and not in the objects.
std::vector<ManifestFile> kustomization_files(std::vector<Json> objects, const std::string& namespace_name);

}  // namespace gpuinfer::manifests
