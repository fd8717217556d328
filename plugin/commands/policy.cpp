// `policy`: checks policy documents, shows what they add up to, and exports them for a cluster without our webhook.
#include <iostream>
#include <memory>

#include "base/yaml.hpp"
#include "plugin/cluster_connection.hpp"
#include "plugin/commands/commands.hpp"
#include "plugin/example.hpp"
#include "plugin/output.hpp"
#include "plugin/policy_documents.hpp"
#include "plugin/scaffold.hpp"
#include "policies/export/effective_document.hpp"
#include "policies/export/mutating_admission_policy.hpp"

namespace gpuinfer::plugin {

namespace {

struct DocumentOptions {
  std::vector<std::string> paths;
  bool from_cluster = false;
};

struct ShowOptions {
  DocumentOptions documents;
  std::string output = "yaml";
};

struct ExportOptions {
  DocumentOptions documents;
  std::string as;
  std::string output = "yaml";
  std::string folder;
  bool force = false;
};

PolicyDocuments load(const DocumentOptions& options, const GlobalOptions& global) {
  if (options.from_cluster) {
    kube::Client client = connect(global);
    return require_installed_policies(client);
  }
  return load_policies({.paths = options.paths, .registry = ""});
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

void validate(const std::vector<std::string>& paths) {
  const std::vector<std::string> names = load_policies({.paths = paths, .registry = ""}).policies.names();
  std::cout << "valid: " << joined(names) << '\n';
}

/// What the settings do not show: documents that count for some pods only.
void say_what_is_selected(const policies::PolicySet& policies) {
  for (const policies::PolicyDocument& document : policies.documents()) {
    if (document.selector.picks_everything()) continue;
    std::cerr << "# '" << document.name << "' has a selector and is not in here: 'kubectl gpuinfer preview' shows what "
              << "it does to the objects that it picks\n";
  }
}

void show(const ShowOptions& options, const GlobalOptions& global) {
  const policies::PolicySet policies = load(options.documents, global).policies;
  say_what_is_selected(policies);
  print_value(std::cout, policies::effective_document(policies.unselected()), options.output);
}

void export_policy(const ExportOptions& options, const GlobalOptions& global) {
  const policies::AdmissionPolicyExport exported =
      policies::export_mutating_admission_policy(load(options.documents, global).policies);
  for (const std::string& gap : exported.gaps) std::cerr << "# not expressed: " << gap << '\n';
  if (!options.folder.empty()) {
    constexpr const char* kFile = "mutating-admission-policy.yaml";
    write_files(options.folder, {{kFile, policies::to_yaml(exported)}}, options.force);
    std::cout << options.folder << '/' << kFile << '\n';
  } else if (options.output == "json") {
    print_objects(std::cout, {exported.policy, exported.binding}, "json");
  } else {
    std::cout << policies::to_yaml(exported);
  }
}

CLI::Option* add_document_paths(CLI::App& command, std::vector<std::string>& paths) {
  return command
      .add_option("-f,--filename", paths,
                  "Policy documents: a file, a folder of *.yaml, or - for standard input; may be repeated")
      ->type_name("PATH")
      ->take_all()
      ->allow_extra_args(false);
}

void add_document_options(CLI::App& command, DocumentOptions& options) {
  CLI::Option* paths = add_document_paths(command, options.paths);
  command.add_flag("--from-cluster", options.from_cluster, "The documents that the cluster's webhook uses")
      ->excludes(paths);
}

void add_validate_command(CLI::App& policy, GlobalOptions& global) {
  auto paths = std::make_shared<std::vector<std::string>>();
  CLI::App* command = policy.add_subcommand("validate", "Check policy documents");
  add_document_paths(*command, *paths)->required();
  add_global_options(*command, global);
  add_examples(*command,
               {{"In a pipeline, before they reach a cluster", "kubectl gpuinfer policy validate -f policies/"}});
  command->callback([paths] { validate(*paths); });
}

void add_show_command(CLI::App& policy, GlobalOptions& global) {
  auto options = std::make_shared<ShowOptions>();
  CLI::App* command = policy.add_subcommand("show", "Show all settings that the documents add up to");
  add_document_options(*command, options->documents);
  add_output_option(*command, options->output);
  add_global_options(*command, global);
  add_examples(*command, {{"The built-in settings", "kubectl gpuinfer policy show"},
                          {"Those of the cluster", "kubectl gpuinfer policy show --from-cluster"}});
  command->callback([options, &global] { show(*options, global); });
}

void add_export_command(CLI::App& policy, GlobalOptions& global) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* command =
      policy.add_subcommand("export", "Write the policies as objects with which the API server applies them itself");
  command->add_option("--as", options->as, "mutatingadmissionpolicy: in CEL, for Kubernetes 1.36 and later")
      ->type_name("KIND")
      ->check(quiet(CLI::IsMember({"mutatingadmissionpolicy"})))
      ->required();
  add_document_options(*command, options->documents);
  add_output_option(*command, options->output);
  command->add_option("--to", options->folder, "Write a file into this folder instead")->type_name("DIR");
  command->add_flag("--force", options->force, "Replace a file that exists");
  add_global_options(*command, global);
  add_examples(*command, {{"No webhook, no certificates: what CEL can express",
                           "kubectl gpuinfer policy export --as mutatingadmissionpolicy | kubectl apply -f -"},
                          {"Your own documents, for a repository",
                           "kubectl gpuinfer policy export --as mutatingadmissionpolicy -f policies/ --to manifests"}});
  command->callback([options, &global] { export_policy(*options, global); });
}

}  // namespace

void add_policy_command(CLI::App& program, GlobalOptions& global) {
  CLI::App* policy = program.add_subcommand("policy", "Check, show and export policy documents");
  policy->require_subcommand(1);
  add_global_options(*policy, global);
  add_examples(*policy, {{"Is this document right?", "kubectl gpuinfer policy validate -f policy.yaml"},
                         {"What holds in my cluster?", "kubectl gpuinfer policy show --from-cluster"}});
  add_validate_command(*policy, global);
  add_show_command(*policy, global);
  add_export_command(*policy, global);
}

}  // namespace gpuinfer::plugin
