// `scaffold`: the objects that `deploy` would apply, as files that a user keeps.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "manifests/kustomization.hpp"
#include "manifests/model.hpp"

namespace gpuinfer::plugin {

/// A folder for `kubectl apply -k`: the model's objects, the NodePool that makes its node, kustomization.yaml.
std::vector<manifests::ManifestFile> scaffold_files(manifests::ModelDeployment deployment);

/// Writes the files into `folder`. Throws Error where one of them exists, before writing any, unless `overwrite`.
void write_files(const std::filesystem::path& folder, const std::vector<manifests::ManifestFile>& files,
                 bool overwrite);

}  // namespace gpuinfer::plugin
