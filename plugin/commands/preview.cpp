// `preview`: what the webhook would do to your manifests, without a cluster.
#include "plugin/preview.hpp"

#include <iostream>
#include <memory>

#include "plugin/commands/commands.hpp"
#include "plugin/example.hpp"
#include "plugin/policy_file.hpp"

namespace gpuinfer::plugin {

namespace {

struct PreviewOptions {
  std::string path;
  std::string output = "yaml";
  PolicyOptions policy;
};

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
  const PolicyFile policy = load_policy(options.policy);
  std::vector<Preview> previews;
  for (const Json& object : read_objects(options.path)) {
    for (Preview& one : preview(object, policy.policies, global.namespace_name)) previews.push_back(std::move(one));
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
  CLI::App* command =
      program.add_subcommand("preview", "Show what the webhook would do to manifests, and why; needs no cluster");
  command->add_option("-f,--filename", options->path, "A file, a folder, or - for standard input")
      ->type_name("PATH")
      ->required();
  add_policy_options(*command, options->policy);
  add_output_option(*command, options->output, {"yaml", "json", "patch", "diff"});
  add_global_options(*command, global);
  add_examples(*command, {{"The objects as they would be stored", "kubectl gpuinfer preview -f deployment.yaml"},
                          {"Only what changes", "kubectl gpuinfer preview -f deployment.yaml -o diff"},
                          {"What another engine's chart becomes",
                           "helm template my-chart | kubectl gpuinfer preview -f - -o diff"}});
  command->callback([options, &global] { show_preview(*options, global); });
}

}  // namespace gpuinfer::plugin
