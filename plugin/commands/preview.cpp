// `preview`: what the webhook would do to your manifests, without a cluster.
#include "plugin/preview.hpp"

#include <iostream>
#include <memory>

#include "plugin/cluster_connection.hpp"
#include "plugin/commands/commands.hpp"
#include "plugin/example.hpp"
#include "plugin/manifest_files.hpp"
#include "plugin/policy_documents.hpp"

namespace gpuinfer::plugin {

namespace {

struct PreviewOptions {
  std::vector<std::string> paths;
  bool recursive = false;
  bool from_cluster = false;
  std::string output = "yaml";
  PolicyOptions policy;
};

policies::PolicySet policies_of(const PreviewOptions& options, const GlobalOptions& global) {
  if (!options.from_cluster) return load_policies(options.policy).policies;
  kube::Client client = connect(global);
  return require_installed_policies(client).policies;
}

/// Why, as comments on standard error, so that standard output stays a manifest.
void print_reasons(const Preview& preview) {
  const policies::Injection& injection = preview.injection;
  std::cerr << "# " << preview.name << ": " << policies::name(injection.outcome) << '\n';
  for (const policies::Action& action : injection.actions)
    std::cerr << "#   " << action.policy << ": " << action.reason << '\n';
  for (const std::string& warning : injection.warnings) std::cerr << "#   warning: " << warning << '\n';
  if (!injection.denial.empty()) std::cerr << "#   denied: " << injection.denial << '\n';
}

void show_preview(const PreviewOptions& options, const GlobalOptions& global) {
  const policies::PolicySet policies = policies_of(options, global);
  std::vector<Preview> previews;
  for (const std::string& path : options.paths) {
    for (const Json& object : read_objects(path, options.recursive)) {
      for (Preview& one : preview(object, policies, global.namespace_name)) previews.push_back(std::move(one));
    }
  }
  std::string denied;
  for (const Preview& one : previews) {
    print_reasons(one);
    if (one.injection.outcome == policies::Outcome::kDenied) denied += (denied.empty() ? "" : ", ") + one.name;
  }
  std::cout << render(previews, options.output) << std::flush;
  if (!denied.empty()) throw Error("the webhook would refuse " + denied, "correct the annotations named above");
}

}  // namespace

void add_preview_command(CLI::App& program, GlobalOptions& global) {
  auto options = std::make_shared<PreviewOptions>();
  CLI::App* command = program.add_subcommand("preview", "Show what the webhook would do to manifests, and why");
  command->add_option("-f,--filename", options->paths, "A file, a folder, or - for standard input; may be repeated")
      ->type_name("PATH")
      ->required()
      ->take_all()
      ->allow_extra_args(false);
  command->add_flag("-R,--recursive", options->recursive, "Also the folders inside a folder");
  add_policy_options(*command, options->policy);
  command->add_flag("--from-cluster", options->from_cluster, "The policy documents that the cluster's webhook uses")
      ->excludes("--policy")
      ->excludes("--ecr");
  add_output_option(*command, options->output, {"yaml", "json", "patch", "diff"});
  add_global_options(*command, global);
  add_examples(*command, {{"The objects as they would be stored", "kubectl gpuinfer preview -f deployment.yaml"},
                          {"Only what changes", "kubectl gpuinfer preview -f deployment.yaml -o diff"},
                          {"A whole repository, by the policies of your cluster",
                           "kubectl gpuinfer preview -f manifests/ -R --from-cluster -o diff"},
                          {"What another engine's chart becomes",
                           "helm template my-chart | kubectl gpuinfer preview -f - -o diff"}});
  command->callback([options, &global] { show_preview(*options, global); });
}

}  // namespace gpuinfer::plugin
