// `deploy`: from a model's name to a server that answers.
#include <iostream>
#include <memory>

#include "plugin/catalogue.hpp"
#include "plugin/commands/commands.hpp"
#include "plugin/deploy_in_cluster.hpp"
#include "plugin/deploy_local.hpp"
#include "plugin/duration.hpp"
#include "plugin/example.hpp"
#include "plugin/model_manifests.hpp"
#include "plugin/output.hpp"

namespace gpuinfer::plugin {

namespace {

struct DeployOptions {
  ServingOptions serving;
  std::string dry_run = "none";
  std::string output;
  std::string timeout;
  bool local = false;
  bool force = false;
  bool wait = true;
};

std::chrono::seconds timeout_of(const DeployOptions& options) {
  constexpr auto kLocal = std::chrono::minutes(5);
  constexpr auto kCluster = std::chrono::minutes(20);  // a new node, the image and the weights
  if (!options.timeout.empty()) return parse_duration(options.timeout);
  return options.local ? kLocal : kCluster;
}

void deploy(const DeployOptions& options, const GlobalOptions& global) {
  const Model& model = find_model(options.serving.model);
  if (!options.force) require_runnable(model);
  const std::chrono::seconds timeout = timeout_of(options);
  if (options.dry_run == "client") {
    print_objects(std::cout, manifests::model_objects(model_deployment(model, options.serving, global.namespace_name)),
                  options.output.empty() ? "yaml" : options.output);
  } else if (options.local) {
    if (options.dry_run == "server")
      throw Error("--local has no API server for --dry-run=server", "use --dry-run=client");
    deploy_local(model, options.serving, options.wait, timeout);
  } else {
    deploy_in_cluster(model, options.serving, global,
                      {.dry_run = options.dry_run == "server",
                       .force = options.force,
                       .wait = options.wait,
                       .timeout = timeout,
                       .output = options.output});
  }
}

}  // namespace

void add_deploy_command(CLI::App& program, GlobalOptions& global) {
  auto options = std::make_shared<DeployOptions>();
  CLI::App* command = program.add_subcommand("deploy", "Serve a model, and wait until it answers");
  add_serving_options(*command, options->serving);
  add_local_option(*command, options->local);
  add_dry_run_option(*command, options->dry_run);
  add_output_option(*command, options->output);
  add_wait_option(*command, options->wait, "the model is ready");
  command->add_option("--timeout", options->timeout, "How long to wait (default: 20m, with --local 5m)")
      ->type_name("DURATION");
  command->add_flag("--force", options->force,
                    "Deploy although a check before it fails, and take over fields that others manage");
  add_global_options(*command, global);
  add_examples(*command, {{"On a GPU node of the cluster", "kubectl gpuinfer deploy smollm2-135m"},
                          {"As a process of this machine", "kubectl gpuinfer deploy smollm2-135m --local"},
                          {"Weights on another claim, two servers",
                           "kubectl gpuinfer deploy smollm2-135m --storage team-models --replicas 2"},
                          {"Only show the objects", "kubectl gpuinfer deploy smollm2-135m --dry-run=client -o yaml"}});
  command->callback([options, &global] { deploy(*options, global); });
}

}  // namespace gpuinfer::plugin
