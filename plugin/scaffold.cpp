// Renders and writes the files of `scaffold`.
#include "plugin/scaffold.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "manifests/node_pool.hpp"

namespace gpuinfer::plugin {

std::vector<manifests::ManifestFile> scaffold_files(manifests::ModelDeployment deployment) {
  // The namespace stands in kustomization.yaml, once.
  const std::string namespace_name = std::exchange(deployment.namespace_name, "");
  std::vector<Json> objects = manifests::model_objects(deployment);
  if (deployment.gpus > 0) objects.push_back(manifests::gpu_node_pool({}));
  return manifests::kustomization_files(std::move(objects), namespace_name);
}

void write_files(const std::filesystem::path& folder, const std::vector<manifests::ManifestFile>& files,
                 bool overwrite) {
  for (const manifests::ManifestFile& file : files) {
    if (!overwrite && std::filesystem::exists(folder / file.name)) {
      throw Error((folder / file.name).string() + " exists already",
                  "choose another folder, or overwrite it with --force");
    }
  }
  for (const manifests::ManifestFile& file : files) write_file(folder / file.name, file.yaml);
}

}  // namespace gpuinfer::plugin
