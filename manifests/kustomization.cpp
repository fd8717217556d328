#include "manifests/kustomization.hpp"

#include <cctype>
#include <map>

#include "base/yaml.hpp"
#include "manifests/embedded.hpp"
#include "manifests/template.hpp"

namespace gpuinfer::manifests {

namespace {

/// "PodDisruptionBudget" is "pod-disruption-budget" in file names.
std::string kebab_case(const std::string& kind) {
  std::string result;
  for (const char c : kind) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isupper(byte) != 0 && !result.empty()) result += '-';
    result += static_cast<char>(std::tolower(byte));
  }
  return result;
}

std::string text(const Json& object, const char* pointer) { return object.at(Json::json_pointer(pointer)); }

}  // namespace

std::vector<ManifestFile> kustomization_files(std::vector<Json> objects, const std::string& namespace_name) {
  std::map<std::string, int> objects_of_kind;
  for (const Json& object : objects) ++objects_of_kind[text(object, "/kind")];

  std::vector<ManifestFile> files;
  Json resources = Json::array();
  for (Json& object : objects) {
    const std::string kind = text(object, "/kind");
    const std::string suffix = objects_of_kind[kind] > 1 ? "-" + text(object, "/metadata/name") : "";
    if (!namespace_name.empty()) object["metadata"].erase("namespace");
    files.push_back({kebab_case(kind) + suffix + ".yaml", emit_yaml(object)});
    resources.push_back(files.back().name);
  }
  const Json kustomization = render_template(
      embedded::kustomization_yaml, "kustomization.yaml",
      {{"namespace", namespace_name.empty() ? Json() : Json(namespace_name)}, {"resources", resources}});
  files.push_back({"kustomization.yaml", emit_yaml(kustomization)});
  return files;
}

}  // namespace gpuinfer::manifests
