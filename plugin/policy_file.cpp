// Reads policy documents and sets the registry in them.
#include "plugin/policy_file.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/yaml.hpp"

namespace gpuinfer::plugin {

namespace {

/// Sets spec.imageRegistry.registry by replacing the rest of its line, so that the document keeps its comments.
std::string with_registry(const std::string& text, const std::string& registry, const std::string& file_name) {
  const std::vector<YamlDocument> documents = parse_yaml(text, file_name);
  const auto found = documents.at(0).positions.find("/spec/imageRegistry/registry");
  const Error cannot_set(
      file_name + " has no line 'registry:' of its own below spec.imageRegistry, so --ecr cannot set it",
      "write the registry into the document and leave out --ecr");
  if (found == documents.at(0).positions.end()) throw cannot_set;
  std::size_t line_start = 0;
  for (int line = 1; line < found->second.line; ++line) line_start = text.find('\n', line_start) + 1;
  const std::size_t value_start = line_start + static_cast<std::size_t>(found->second.column - 1);
  const std::size_t value_end = std::min(text.find('\n', value_start), text.size());
  const std::string changed = text.substr(0, value_start) + Json(registry).dump() + text.substr(value_end);
  // A flow mapping or a block scalar does not survive that: then the document no longer says the same.
  if (policies::parse_policy_files({{file_name, changed}}).unselected().image_registry.registry != registry) throw cannot_set;
  return changed;
}

}  // namespace

void add_policy_options(CLI::App& command, PolicyOptions& options) {
  command.add_option("--policy", options.file, "The policy document (default: the built-in one)")->type_name("FILE");
  command
      .add_option("--ecr", options.registry,
                  "Pull images through this registry: 111122223333.dkr.ecr.us-west-2.amazonaws.com")
      ->type_name("REGISTRY");
}

PolicyFile load_policy(const PolicyOptions& options) {
  const std::string name = options.file.empty() ? "default_policy.yaml" : options.file;
  std::string text = options.file.empty() ? std::string(policies::default_policy_text()) : read_file(options.file);
  policies::PolicySet policies = policies::parse_policy_files({{name, text}});
  if (!options.registry.empty()) {
    text = with_registry(text, options.registry, name);
    policies = policies::parse_policy_files({{name, text}});
  }
  return {std::move(text), std::move(policies)};
}

}  // namespace gpuinfer::plugin
