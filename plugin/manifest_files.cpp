// Takes files, folders and lists apart into objects.
#include "plugin/manifest_files.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/yaml.hpp"

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

/// The items of a List. Those of a PodList, which an API server sends, leave their kind to the list's.
std::vector<Json> items_of(const Json& list, const std::string& file_name) {
  const std::string kind = list.at("kind");
  const std::string item_kind = kind.substr(0, kind.size() - std::string_view("List").size());
  std::vector<Json> items;
  for (Json item : list.at("items")) {
    if (!item_kind.empty() && item.is_object() && !item.contains("kind")) {
      item["apiVersion"] = list.at("apiVersion");
      item["kind"] = item_kind;
    }
    require_object(item, file_name);
    items.push_back(std::move(item));
  }
  return items;
}

bool is_manifest(const fs::path& file) {
  const std::string extension = file.extension();
  // kustomization.yaml is no object of the cluster.
  return file.stem() != "kustomization" && (extension == ".yaml" || extension == ".yml" || extension == ".json");
}

std::vector<fs::path> manifest_files(const fs::path& folder, bool recursive) {
  std::vector<fs::path> files;
  for (auto entry = fs::recursive_directory_iterator(folder); entry != fs::recursive_directory_iterator(); ++entry) {
    if (entry->is_directory()) {
      if (!recursive) entry.disable_recursion_pending();
    } else if (is_manifest(entry->path())) {
      files.push_back(entry->path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// The documents of a file. JSON is YAML, but yaml-cpp does not join the two halves of "\ud83e\udd99".
std::vector<Json> documents_of(const std::string& text, const std::string& file_name) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start != std::string::npos && text[start] == '{') {
    if (Json json = Json::parse(text, nullptr, false); !json.is_discarded()) return {std::move(json)};
  }
  std::vector<Json> documents;
  for (YamlDocument& document : parse_yaml(text, file_name)) documents.push_back(std::move(document.value));
  return documents;
}

}  // namespace

std::vector<Json> parse_objects(const std::string& text, const std::string& file_name) {
  std::vector<Json> objects;
  for (const Json& document : documents_of(text, file_name)) {
    require_object(document, file_name);
    const bool is_list =
        document.at("kind").get<std::string>().ends_with("List") && document.value("items", Json()).is_array();
    const std::vector<Json> found = is_list ? items_of(document, file_name) : std::vector<Json>{document};
    objects.insert(objects.end(), found.begin(), found.end());
  }
  return objects;
}

std::vector<Json> read_objects(const std::string& path, bool recursive) {
  std::vector<Json> objects;
  if (path == "-") {
    objects = parse_objects(std::string(std::istreambuf_iterator<char>(std::cin), {}), "standard input");
  } else if (fs::is_directory(path)) {
    for (const fs::path& file : manifest_files(path, recursive)) {
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

}  // namespace gpuinfer::plugin
