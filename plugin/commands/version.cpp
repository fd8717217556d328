// `version`: of this program, and of what runs in the cluster.
#include <iostream>
#include <memory>

#include "base/version.hpp"
#include "kube/resource.hpp"
#include "manifests/webhook.hpp"
#include "plugin/cluster_connection.hpp"
#include "plugin/cluster_deployment.hpp"
#include "plugin/commands/commands.hpp"
#include "plugin/example.hpp"
#include "plugin/output.hpp"

namespace gpuinfer::plugin {

namespace {

struct VersionOptions {
  std::string output;
  bool client_only = false;
};

/// The images of the webhook and of every model server in the namespace.
Json cluster_versions(const GlobalOptions& global) {
  const Json::json_pointer image("/spec/template/spec/containers/0/image");
  kube::Client client = connect(global);
  Json versions = Json::object();
  const auto webhook =
      client.find(kube::resource_path("apps/v1", "Deployment", manifests::kWebhookNamespace, manifests::kWebhookName));
  if (webhook) versions["webhook"] = webhook->at(image);
  Json servers = Json::object();
  for (const Json& deployment : list_deployments(client)) {
    servers[deployment.at("metadata").at("name").get<std::string>()] = deployment.at(image);
  }
  versions["servers"] = servers;
  return versions;
}

void print_version(const VersionOptions& options, const GlobalOptions& global) {
  Json versions = {{"client", std::string(kVersion)}};
  std::string unreachable;
  if (!options.client_only) {
    try {
      versions.update(cluster_versions(global));
    } catch (const Error& error) {
      unreachable = error.what();
    }
  }
  if (!options.output.empty()) {
    if (!unreachable.empty()) versions["clusterError"] = unreachable;
    print_value(std::cout, versions, options.output);
    return;
  }
  std::cout << "kubectl-gpuinfer " << kVersion << '\n';
  if (!unreachable.empty()) std::cerr << "no cluster: " << unreachable << '\n';
  if (versions.contains("webhook")) std::cout << "webhook " << versions["webhook"].get<std::string>() << '\n';
  const Json servers = versions.value("servers", Json::object());
  for (const auto& [name, image] : servers.items()) {
    std::cout << name << ' ' << image.get<std::string>() << '\n';
  }
}

}  // namespace

void add_version_command(CLI::App& program, GlobalOptions& global) {
  auto options = std::make_shared<VersionOptions>();
  CLI::App* version =
      program.add_subcommand("version", "Print the versions of this program and of what runs in the cluster");
  version->add_flag("--client", options->client_only, "Only of this program");
  add_output_option(*version, options->output);
  add_global_options(*version, global);
  add_examples(*version, {{"Everything", "kubectl gpuinfer version"},
                          {"Only this program", "kubectl gpuinfer version --client -o json"}});
  version->callback([options, &global] { print_version(*options, global); });
}

}  // namespace gpuinfer::plugin
