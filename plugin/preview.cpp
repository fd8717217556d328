// Runs the policies on files and shows the outcome.
#include "plugin/preview.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/yaml.hpp"
#include "kube/resource.hpp"
#include "plugin/line_diff.hpp"
#include "plugin/output.hpp"
#include "policies/admit.hpp"
#include "policies/json_patch.hpp"
#include "policies/propagate.hpp"

namespace gpuinfer::plugin {

namespace {

namespace fs = std::filesystem;

/// Throws Error where `object` is nothing that kubectl would apply.
void require_object(const Json& object, const std::string& file_name) {
  if (object.is_object() && object.value("kind", Json()).is_string() && object.value("apiVersion", Json()).is_string())
    return;
  throw Error(file_name + ": a document is no Kubernetes object: it has no apiVersion and kind",
              "preview takes what 'kubectl apply -f' takes");
}

std::vector<fs::path> manifest_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string extension = entry.path().extension();
    // kustomization.yaml is no object of the cluster.
    if (entry.path().stem() == "kustomization") continue;
    if (extension == ".yaml" || extension == ".yml" || extension == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string name_of(const Json& object) {
  const bool named =
      object.contains("metadata") && object["metadata"].is_object() && object["metadata"].contains("name");
  return named ? kube::object_name(object) : object.at("kind").get<std::string>();
}

}  // namespace

std::vector<Preview> preview(const Json& object, const policies::PolicySet& policies,
                             const std::string& namespace_name) {
  std::vector<Preview> previews;
  previews.push_back(
      {.name = name_of(object), .before = object, .injection = policies::admit(object, policies, namespace_name)});
  if (!policies::is_workload(object)) return previews;
  for (const Json& pod : policies::pods_of(previews.front().injection.object)) {
    previews.push_back({.name = name_of(pod) + " (made by " + previews.front().name + ")",
                        .before = pod,
                        .injection = policies::admit(pod, policies, namespace_name)});
  }
  return previews;
}

std::vector<Json> parse_objects(const std::string& text, const std::string& file_name) {
  std::vector<Json> objects;
  for (const YamlDocument& document : parse_yaml(text, file_name)) {
    require_object(document.value, file_name);
    const bool is_list = document.value.at("kind") == "List" && document.value.contains("items");
    for (const Json& object : is_list ? document.value.at("items") : Json::array({document.value})) {
      require_object(object, file_name);
      objects.push_back(object);
    }
  }
  return objects;
}

std::vector<Json> read_objects(const std::string& path) {
  std::vector<Json> objects;
  if (path == "-") {
    objects = parse_objects(std::string(std::istreambuf_iterator<char>(std::cin), {}), "standard input");
  } else if (fs::is_directory(path)) {
    for (const fs::path& file : manifest_files(path)) {
      for (Json& object : parse_objects(read_file(file), file.string())) objects.push_back(std::move(object));
    }
  } else {
    objects = parse_objects(read_file(path), path);
  }
  if (objects.empty()) {
    throw Error(path + " holds no Kubernetes objects", "preview takes what 'kubectl apply -f' takes");
  }
  return objects;
}

std::string render(const std::vector<Preview>& previews, const std::string& format) {
  std::ostringstream out;
  if (format == "diff") {
    for (const Preview& preview : previews) {
      out << unified_diff(emit_yaml(preview.before), emit_yaml(preview.injection.object), preview.name,
                          preview.name + " after the webhook");
    }
  } else if (format == "patch") {
    Json patches = Json::array();
    for (const Preview& preview : previews) {
      patches.push_back(
          {{"object", preview.name}, {"patch", policies::json_patch(preview.before, preview.injection.object)}});
    }
    print_value(out, patches, "json");
  } else {
    std::vector<Json> objects;
    for (const Preview& preview : previews) objects.push_back(preview.injection.object);
    print_objects(out, objects, format);
  }
  return out.str();
}

}  // namespace gpuinfer::plugin
