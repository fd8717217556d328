// Reads policy documents and sets the registry in them.
#include "plugin/policy_documents.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/yaml.hpp"
#include "kube/resource.hpp"
#include "manifests/webhook.hpp"

namespace gpuinfer::plugin {

namespace {

namespace fs = std::filesystem;

/// `text` with `value` written over the rest of the line from `position` on, so that the document keeps its comments.
std::string with_value_at(const std::string& text, YamlPosition position, const std::string& value) {
  std::size_t line_start = 0;
  for (int line = 1; line < position.line; ++line) line_start = text.find('\n', line_start) + 1;
  const std::size_t start = line_start + static_cast<std::size_t>(position.column - 1);
  return text.substr(0, start) + Json(value).dump() + text.substr(std::min(text.find('\n', start), text.size()));
}

/// Sets spec.imageRegistry.registry in the last document that has such a line.
void set_registry(std::vector<policies::PolicyFile>& files, const std::string& registry) {
  constexpr const char* kPointer = "/spec/imageRegistry/registry";
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    const std::vector<YamlDocument> documents = parse_yaml(file->text, file->name);
    for (auto document = documents.rbegin(); document != documents.rend(); ++document) {
      const auto found = document->positions.find(kPointer);
      if (found == document->positions.end()) continue;
      file->text = with_value_at(file->text, found->second, registry);
      // A flow mapping or a block scalar does not survive that: then the document no longer says the same.
      if (policies::parse_policy_files(files).unselected().image_registry.registry == registry) return;
    }
  }
  throw Error(
      "the policy documents have no line 'registry:' of its own below spec.imageRegistry, so --ecr cannot set "
      "it",
      "write the registry into a document and leave out --ecr");
}

std::vector<fs::path> yaml_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) throw Error("the folder " + folder.string() + " holds no *.yaml", "name the documents themselves");
  return files;
}

}  // namespace

void add_policy_options(CLI::App& command, PolicyOptions& options) {
  command
      .add_option("--policy", options.paths,
                  "Policy documents: a file, or a folder of *.yaml; may be repeated (default: the built-in document)")
      ->type_name("PATH")
      ->take_all()
      ->allow_extra_args(false);
  command
      .add_option("--ecr", options.registry,
                  "Pull images through this registry: 111122223333.dkr.ecr.us-west-2.amazonaws.com")
      ->type_name("REGISTRY");
}

std::vector<policies::PolicyFile> read_policy_files(const std::vector<std::string>& paths) {
  if (paths.empty()) return {{"default_policy.yaml", std::string(policies::default_policy_text())}};
  std::vector<policies::PolicyFile> files;
  for (const std::string& path : paths) {
    if (path == "-") {
      files.push_back({"standard input", std::string(std::istreambuf_iterator<char>(std::cin), {})});
    } else if (fs::is_directory(path)) {
      for (const fs::path& file : yaml_files(path)) files.push_back({file.string(), read_file(file)});
    } else {
      files.push_back({path, read_file(path)});
    }
  }
  return files;
}

PolicyDocuments load_policies(const PolicyOptions& options) {
  std::vector<policies::PolicyFile> files = read_policy_files(options.paths);
  if (!options.registry.empty()) set_registry(files, options.registry);
  policies::PolicySet policies = policies::parse_policy_files(files);
  return {std::move(files), std::move(policies)};
}

std::optional<PolicyDocuments> installed_policies(kube::Client& client) {
  const auto map = client.find(kube::resource_path("v1", "ConfigMap", manifests::kWebhookNamespace, "gpuinfer-policy"));
  if (!map) return std::nullopt;
  std::vector<policies::PolicyFile> files;
  const Json data = map->value("data", Json::object());
  for (const auto& [key, text] : data.items()) {
    files.push_back({"ConfigMap gpuinfer-policy, " + key, text.get<std::string>()});
  }
  policies::PolicySet policies = policies::parse_policy_files(files);
  return PolicyDocuments{std::move(files), std::move(policies)};
}

PolicyDocuments require_installed_policies(kube::Client& client) {
  if (auto installed = installed_policies(client)) return std::move(*installed);
  throw Error("the cluster has no policy documents: there is no ConfigMap gpuinfer-policy in namespace gpuinfer-system",
              "install the webhook with 'kubectl gpuinfer install', or leave out --from-cluster");
}

}  // namespace gpuinfer::plugin
