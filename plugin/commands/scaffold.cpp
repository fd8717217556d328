// `scaffold`: the objects as files, for Git.
#include "plugin/scaffold.hpp"

#include <iostream>
#include <memory>

#include "plugin/commands/commands.hpp"
#include "plugin/example.hpp"
#include "plugin/model_manifests.hpp"

namespace gpuinfer::plugin {

namespace {

struct ScaffoldOptions {
  ServingOptions serving;
  std::string folder;
  bool force = false;
};

void scaffold(const ScaffoldOptions& options, const GlobalOptions& global) {
  const Model& model = find_model(options.serving.model);
  const auto files = scaffold_files(model_deployment(model, options.serving, global.namespace_name));
  write_files(options.folder, files, options.force);
  for (const manifests::ManifestFile& file : files)
    std::cout << (std::filesystem::path(options.folder) / file.name).string() << '\n';
  if (!model.runs_today()) std::cerr << "note: " << model.limitation << '\n';
  std::cerr << "See what the webhook adds:  kubectl gpuinfer preview -f " << options.folder << " -o diff\n"
            << "Apply it:                   kubectl apply -k " << options.folder << '\n';
}

}  // namespace

void add_scaffold_command(CLI::App& program, GlobalOptions& global) {
  auto options = std::make_shared<ScaffoldOptions>();
  CLI::App* command =
      program.add_subcommand("scaffold", "Write the objects that 'deploy' would apply as files, with a kustomization");
  add_serving_options(*command, options->serving);
  command->add_option("-o,--output-dir", options->folder, "The folder to write to")->type_name("DIR")->required();
  command->add_flag("--force", options->force, "Overwrite files that exist");
  add_global_options(*command, global);
  add_examples(*command,
               {{"Files to keep in Git", "kubectl gpuinfer scaffold smollm2-135m -o smollm2"},
                {"In a namespace of its own", "kubectl gpuinfer scaffold smollm2-135m -o smollm2 -n models"}});
  command->callback([options, &global] { scaffold(*options, global); });
}

}  // namespace gpuinfer::plugin
